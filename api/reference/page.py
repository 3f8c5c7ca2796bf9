"""``/reference``: the description of the API for people, served by ourselves.

Swagger UI is in ``reference/vendored``, exactly as in its npm package (``make reference``); nothing
is loaded from anywhere else, and the page's policy forbids it.  It needs no token: it shows what
``/openapi.json`` shows everybody.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

FOLDER = Path(__file__).parent
FILES = ("favicon-32x32.png", "start.js", "swagger-ui-bundle.js", "swagger-ui.css")
KINDS = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".png": "image/png"}
FOR_EVER = "public, max-age=31536000, immutable"
EACH_TIME = "no-cache"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, compressed once at the start, and decompressed for clients without gzip."""

    kind: str
    packed: bytes
    etag: str


def routes(api_url: str) -> list[web.RouteDef]:
    """Return the routes of the page and its files; its requests may also go to ``api_url``.

    The files' paths contain a hash of all of them, so that browsers may cache them for ever.
    """
    contents = {name: _path(name).read_bytes() for name in FILES}
    version = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
    page = _path("index.html").read_text(encoding="utf-8").replace("{version}", version)
    headers = {"Content-Security-Policy": _policy(api_url), "Cache-Control": EACH_TIME}
    defined = [web.get("/reference", _serving(_asset("index.html", page.encode()), headers))]
    for name, content in contents.items():
        handler = _serving(_asset(name, content), {"Cache-Control": FOR_EVER})
        defined.append(web.get(f"/reference/{version}/{name}", handler))
    return defined


def _path(name: str) -> Path:
    ours = FOLDER / name
    return ours if ours.exists() else FOLDER / "vendored" / name


def _policy(api_url: str) -> str:
    """Return the page's content security policy (W3C CSP 3): our own files, and nothing else."""
    place = urlsplit(api_url)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            f"connect-src 'self' {place.scheme}://{place.netloc}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _asset(name: str, content: bytes) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:32]
    packed = gzip.compress(content, mtime=0)
    return Asset(KINDS[Path(name).suffix], packed, digest)


def _serving(asset: Asset, headers: dict[str, str]) -> Handler:
    always = {"X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding", **headers}

    async def serve(request: web.Request) -> web.Response:
        response = web.Response(content_type=asset.kind, headers=always)
        response.etag = asset.etag
        if any(etag.value in (asset.etag, "*") for etag in request.if_none_match or ()):
            response.set_status(304)
        elif "gzip" in request.headers.get("Accept-Encoding", ""):
            response.headers["Content-Encoding"] = "gzip"
            response.body = asset.packed
        else:
            response.body = gzip.decompress(asset.packed)
        return response

    return serve

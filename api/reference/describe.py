"""``python -m api.reference.describe``: prints the description of the API, without a server."""

import json
from importlib.metadata import version

from api.reference import examples, openapi
from api.routes import ENDPOINTS
from cks import settings


def main() -> None:
    url = settings.Settings().api_url
    document = openapi.document(ENDPOINTS, url, version("cks-control-plane"), examples.load())
    print(json.dumps(document, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()

import json
import subprocess
from pathlib import Path

from cks.dev import summary

EXPORTS = {
    "CKS_API_URL": "http://127.0.0.1:8080",
    "CKS_OPS_URL": "http://127.0.0.1:8081",
    "CKS_SIMULATOR_URL": "http://127.0.0.1:8090",
    "CKS_TOKEN": "cks_demo",
    "TEMPORAL_ADDRESS": "127.0.0.1:7233",
    "TEMPORAL_UI_URL": "http://127.0.0.1:8233",
    "ODD": "it's $HOME; `id`",
}


def test_a_shell_reads_the_exports_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(summary.environment(EXPORTS))
    script = f'. "{tmp_path}/env"; env -0'
    told = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    read = dict(entry.partition("=")[::2] for entry in told.stdout.split("\0") if entry)
    assert {name: read[name] for name in EXPORTS} == EXPORTS


def test_the_printed_curl_line_posts_a_cluster_when_pasted(tmp_path: Path) -> None:
    text = summary.text(EXPORTS, tmp_path, "127.0.0.1:5433")
    line = next(line for line in text.splitlines() if "curl -sS -X POST" in line)
    pasted = f'curl() {{ for word in "$@"; do printf "%s\\0" "$word"; done; }}; {line}'
    told = subprocess.run(["/bin/sh", "-c", pasted], capture_output=True, text=True, check=True)
    words = told.stdout.split("\0")
    assert "http://127.0.0.1:8080/v1/clusters" in words
    assert "Authorization: Bearer cks_demo" in words
    body = json.loads(words[words.index("-d") + 1])
    assert body["name"].removeprefix("demo-").isdigit()
    assert body["node_pools"] == summary.CLUSTER["node_pools"]

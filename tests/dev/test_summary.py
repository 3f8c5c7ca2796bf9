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
    "TEMPORAL_NAMESPACE": "cks",
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


def test_the_link_to_temporals_ui_leads_to_our_runs(tmp_path: Path) -> None:
    assert "http://127.0.0.1:8233/namespaces/cks/workflows\n" in summary.text(EXPORTS, tmp_path, "")
    assert "not ours" in summary.text(EXPORTS | {"TEMPORAL_UI_URL": ""}, tmp_path, "")


def test_whoever_pastes_in_the_printed_order_misses_no_event(tmp_path: Path) -> None:
    text = summary.text(EXPORTS, tmp_path, "")
    assert text.index("/v1/events") < text.index("-X POST")

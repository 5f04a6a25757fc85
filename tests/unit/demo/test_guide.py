"""The demo finds in the guide exactly what it runs."""

from __future__ import annotations

import pytest

from demo.guide import blocks, snippets


def test_each_snippet_is_found_in_the_guide() -> None:
    found = snippets()
    assert found.create_by_curl.startswith("curl -X POST http://localhost:8000/api/v1/training/jobs \\\n  -H")
    assert found.create_by_curl.endswith("}'")
    assert found.status_by_curl == "curl http://localhost:8000/api/v1/training/jobs/{job_id}"
    assert found.logs_by_curl == "curl http://localhost:8000/api/v1/training/jobs/{job_id}/logs"
    assert found.list_path == "/api/v1/training/jobs?status=running,completed&limit=10&offset=0"
    python = (found.create_by_python, found.start_by_python, found.monitor_by_python, found.cancel_by_python)
    compile("\n".join(python), "guide", "exec")


def test_a_block_in_a_list_loses_its_indentation() -> None:
    assert blocks("bash", "1. Do\n   ```bash\n   a \\\n     b\n   ```\n") == ["a \\\n  b"]


def test_a_guide_without_a_snippet_is_refused_by_its_words() -> None:
    with pytest.raises(LookupError, match="0 snippets with 'curl -X POST'"):
        snippets("```bash\necho\n```\n```http\nGET /x?status=running\n```")

"""Write docs/run.schema.json, the JSON Schema of a row's run.json.

usage: python tools/run_schema.py
"""

from pathlib import Path

from zooscope.record import json_schema

if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "run.schema.json").write_text(json_schema(), encoding="utf-8")

"""Reads the dashboard with Grafana's own models of it (grafana-foundation-sdk, made from Grafana's schemas) and writes it again:
what Grafana does not know is lost on the way."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(ours, theirs, place):
    """What stands in ours and not in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            if name not in theirs:
                yield f"{place}.{name}: Grafana does not know it"
            else:
                yield from lost(value, theirs[name], f"{place}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{place}: {len(ours)} elements, Grafana reads {len(theirs)}"
        for number, (one, other) in enumerate(zip(ours, theirs)):
            yield from lost(one, other, f"{place}[{number}]")
    elif ours != theirs:
        yield f"{place}: {ours!r}, Grafana reads {theirs!r}"


register_default_plugins()
text = Path(__file__).parent.parent.joinpath("mdss-relay.json").read_text(encoding="utf-8")
ours = json.loads(text)
theirs = json.loads(JSONEncoder().encode(Dashboard.from_json(json.loads(text))))
found = list(lost(ours, theirs, "dashboard"))
print("\n".join(found) or f"grafana: {len(ours['panels'])} panels")
sys.exit(1 if found else 0)

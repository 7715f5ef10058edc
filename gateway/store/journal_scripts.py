"""The journal's scripts, which run in Redis. Their files say what they take and answer."""

from importlib.resources import files

_FOLDER = files("gateway.store") / "scripts"


def _text(name: str, *, rules: bool = False) -> str:
    # The first line names the script to whoever watches the wire, so the rules come behind it.
    header, _, body = (_FOLDER / f"{name}.lua").read_text().partition("\n")
    before = (_FOLDER / "rules.lua").read_text() if rules else ""
    return f"{header}\n{before}{body}"


LOOK = _text("look", rules=True)
BEGIN = _text("begin", rules=True)
GUARD = _text("guard", rules=True)
CHANGE = _text("change")
REFUSE = _text("refuse")
CLAIM_EXTERNAL = _text("external")
DROP = _text("drop")

"""Mailchimp's merge tags, as far as people use them: values, IF, INTERESTED and fallbacks."""

import re
from collections.abc import Mapping

_BLOCK = re.compile(
    r"\*\|(IF|IFNOT|INTERESTED):((?:(?!\|\*).)*)\|\*((?:(?!\*\|(?:IF|IFNOT|INTERESTED):).)*?)\*\|END:(?:IF|INTERESTED)\|\*",
    re.IGNORECASE | re.DOTALL,
)
_BRANCH = re.compile(r"\*\|(ELSEIF|ELSE):((?:(?!\|\*).)*)\|\*", re.IGNORECASE)
_TAG = re.compile(r"\*\|((?:(?!\|\*).){1,2000})\|\*", re.DOTALL)
_TEST = re.compile(r"^\s*(\w+)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*$", re.DOTALL)


def render(text: str, values: Mapping[str, str], *, blank_unknown: bool = False) -> str:
    """Return the text with merge tags replaced. Unknown tags stay as they are, or vanish with `blank_unknown`.

    `values` maps upper-case tags to text; `INTERESTS` holds comma-separated group names for INTERESTED.
    """
    if "*|" not in text:
        return text
    found = 1
    while found:
        text, found = _BLOCK.subn(lambda match: _choose(match, values), text)

    def replace(match: re.Match[str]) -> str:
        name = match[1].strip().upper()
        if name in values:
            return values[name]
        if name.startswith("UNSUB:"):
            return values.get("UNSUB", match[1][6:])
        return "" if blank_unknown else match[0]

    return _TAG.sub(replace, text)


def _choose(match: re.Match[str], values: Mapping[str, str]) -> str:
    parts = _BRANCH.split(match[3])
    kind, condition = match[1].upper(), match[2]
    branches = [(kind, condition, parts[0])]
    branches += [(parts[i].upper(), parts[i + 1], parts[i + 2]) for i in range(1, len(parts), 3)]
    for kind, condition, body in branches:
        if kind == "ELSE" or _holds(kind, condition, values):
            return body
    return ""


def _holds(kind: str, condition: str, values: Mapping[str, str]) -> bool:
    if kind == "INTERESTED":
        wanted = {name.strip().lower() for name in condition.rpartition(":")[2].split(",")}
        return bool(wanted & {name.strip().lower() for name in values.get("INTERESTS", "").split(",")})
    test = _TEST.match(condition)
    if test is None:
        holds = bool(values.get(condition.strip().upper(), "").strip())
    else:
        holds = _compare(values.get(test[1].upper(), ""), test[2], test[3].strip("'\""))
    return holds != (kind == "IFNOT")


def _compare(left: str, sign: str, right: str) -> bool:
    if sign == "=":
        return left == right
    if sign == "!=":
        return left != right
    try:
        a, b = float(left), float(right)
    except ValueError:
        return False
    return {">": a > b, "<": a < b, ">=": a >= b, "<=": a <= b}[sign]

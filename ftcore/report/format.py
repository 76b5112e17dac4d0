"""Values of a record as short text for a person: numbers, sizes, durations, dates, untrusted text."""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

MISSING = "–"

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def number(value: Any) -> float | None:
    """The value as a float (it may be NaN or infinite), or None where it is no number.

    JSON has no NaN, so writers spell it as a string; those spellings count as numbers too.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(value)
    return None


def text(value: Any) -> str:
    """Anything as printable text: structures as indented JSON, terminal colours and control codes removed."""
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    value = _CONTROL.sub("\ufffd", _ANSI.sub("", value))
    return value.encode("utf-8", "replace").decode("utf-8")


def language(value: str) -> str:
    """The `lang` that makes a browser choose the right Han glyphs; empty where the page's own will do."""
    if _KANA.search(value):
        return "ja"
    if _HANGUL.search(value):
        return "ko"
    return "zh-Hans" if _HAN.search(value) else ""


def significant(value: float, digits: int = 4) -> str:
    """A number to some significant digits without a padded exponent: 0.8312, 2e-4, NaN."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0 or 1e-3 <= abs(rounded) < 1e6:
        return f"{rounded:.{max(digits, 6)}g}"
    mantissa, exponent = f"{rounded:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


def compact(value: float, digits: int = 3) -> str:
    """A large number with a decimal suffix: 950, 12.4k, 3.1M, 1.2B."""
    if not math.isfinite(value):
        return significant(value)
    for limit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{significant(value / limit, digits)}{suffix}"
    return significant(value, digits)


def whole(value: Any) -> str:
    """A count with thousands separators, or the dash for a missing one."""
    found = number(value)
    if found is None:
        return MISSING
    return f"{found:,.0f}" if math.isfinite(found) else significant(found)


def percent(share: float) -> str:
    """A share of one as whole per cent."""
    return f"{share * 100:.0f}%" if math.isfinite(share) else significant(share)


def size(value: Any) -> str:
    """Bytes in binary units, as file managers and `ls -h` show them."""
    found = number(value)
    if found is None or not math.isfinite(found):
        return MISSING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(found) < 1024:
            return f"{found:.0f} {unit}" if unit == "B" else f"{found:.1f} {unit}"
        found /= 1024
    return f"{found:.1f} TiB"


def duration(seconds: float | None) -> str:
    """Seconds as the two largest units: 0.4 s, 12 s, 3 min 20 s, 2 h 05 min, 1 d 4 h."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    if total < 86400:
        return f"{total // 3600} h {total % 3600 // 60:02d} min"
    return f"{total // 86400} d {total % 86400 // 3600} h"


def moment(value: Any) -> datetime | None:
    """An ISO 8601 string or a Unix time as a datetime, or None where it is neither."""
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        seconds = number(value)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def timestamp(value: Any) -> str:
    """A date and time to the second with its zone as written; text that is no date stays as it is."""
    found = moment(value)
    if found is None:
        return text(value) or MISSING
    zone = found.strftime("%z")
    zone = " UTC" if zone == "+0000" else f" {zone[:3]}:{zone[3:]}" if zone else ""
    return found.strftime("%Y-%m-%d %H:%M:%S") + zone


def elapsed(started: Any, ended: Any) -> float | None:
    """Seconds between two moments, or None where one is missing or their zones cannot be compared."""
    first, last = moment(started), moment(ended)
    if first is None or last is None or (first.tzinfo is None) != (last.tzinfo is None):
        return None
    return max(0.0, (last - first).total_seconds())

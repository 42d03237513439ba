"""What a reader gets told where a value is not what it may be: the field, the value and what is allowed."""


def require(ok: object, field: str, value: object, allowed: str) -> None:
    """Raises ValueError "<field> is <value>; allowed: <allowed>" unless ok."""
    if not ok:
        raise ValueError(f"{field} is {value}; allowed: {allowed}")

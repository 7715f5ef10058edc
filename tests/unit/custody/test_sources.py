import pytest

from gateway.custody.credential import Key
from gateway.custody.sources import FaultyCredentials, FoundKeys, KeySource, read_keys
from tests.unit.custody.examples import key, slot


def holding(*names: str, warnings: tuple[str, ...] = ()) -> KeySource:
    keys: dict[object, Key] = {slot(name): key(name) for name in names}
    return lambda: FoundKeys(keys, warnings)  # type: ignore[arg-type]


def faulty(*faults: str) -> KeySource:
    def source() -> FoundKeys:
        raise FaultyCredentials(faults)

    return source


def faults_of(*sources: KeySource) -> tuple[str, ...]:
    with pytest.raises(FaultyCredentials) as refusal:
        read_keys(sources)
    return refusal.value.faults


def test_sources_add_up_also_for_one_account() -> None:
    found = read_keys([holding("demo/read"), holding("demo/trade", "savings/read")])
    assert [str(slot) for slot in found.keys] == ["demo/read", "demo/trade", "savings/read"]


def test_the_warnings_of_all_sources_are_told() -> None:
    first, second = holding("demo/read", warnings=("a",)), holding("demo/trade", warnings=("b",))
    assert read_keys([first, second]).warnings == ("a", "b")


def test_the_faults_of_all_sources_are_told_at_once() -> None:
    told = faults_of(faulty("a", "b"), holding("demo/read"), faulty("c"), holding("demo/read"))
    assert told == ("a", "b", "c", "demo/read: has a key in two places; keep one of them.")


def test_no_key_at_all_is_a_fault_that_says_where_to_put_one() -> None:
    (fault,) = faults_of(holding())
    for setting in ("NGW_KEYS_FILE", "NGW_CREDENTIALS_DIR", "NGW_CREDENTIALS"):
        assert setting in fault
    assert faults_of() == (fault,)

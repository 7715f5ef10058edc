"""The folder of a run: private, fresh each time, and held by one process."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from gateway.access.policy import Action, Policy
from gateway.access.policy_file import PolicyFile
from gateway.access.principal import ANONYMOUS
from gateway.cli.dev.workspace import (
    AlreadyRunning,
    Secrets,
    UnusableFolder,
    Workspace,
    make_secrets,
)
from gateway.custody import Keyring
from gateway.custody.encryption_keys import new_encryption_key, read_encryption_keys
from gateway.custody.folder import read_folder
from gateway.domain.signing import Purpose
from gateway.sandbox import Permission, default_assets, load_scenario
from tests.processes import eventually


def counting_bytes() -> "Iterator[bytes]":
    for number in count(1):
        yield bytes([number]) * 32


def secrets() -> Secrets:
    source = counting_bytes()
    return make_secrets(lambda _length: next(source))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / ".dev")


def test_every_file_and_folder_is_for_its_owner_only(workspace: Workspace) -> None:
    workspace.folder.mkdir(mode=0o755)
    with workspace.claimed():
        workspace.write(secrets())
        workspace.write_env({"GATEWAY_TOKEN": "t"})
        for path in (workspace.folder, *workspace.folder.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_secrets_of_a_run_are_all_different_and_in_no_repr() -> None:
    made = secrets()
    texts = {
        *(made.token, made.operator_token, made.encryption_key),
        *(text for pair in made.demo.values() for text in (pair.api_key, pair.api_secret)),
        *(made.outsider.api_key, made.outsider.api_secret),
    }
    assert len(texts) == 9
    assert not any(text in repr(made) for text in texts)


def test_the_sandbox_knows_both_accounts_with_their_funds(workspace: Workspace) -> None:
    with workspace.claimed():
        workspace.write(secrets())
        demo, outsider = load_scenario(workspace.scenario_file).accounts
    funds = {"USDT": "100000", "TRY": "1000000", "BTC": "5", "ETH": "50"}
    for account in (demo, outsider):
        assert {asset: str(value) for asset, value in account.balances.items()} == funds
    assert (demo.account_id, outsider.account_id) == ("demo", "outsider")
    assert outsider.keys[0].api_key == secrets().outsider.api_key


def test_the_sandbox_has_transfers_to_show(workspace: Workspace) -> None:
    with workspace.claimed():
        workspace.write(secrets())
        demo, _ = load_scenario(workspace.scenario_file).accounts
    assert [one.asset for one in demo.deposits] == ["XRP", "LINK"]
    rules = default_assets()
    for one in demo.withdrawal_addresses:
        (channel,) = (
            channel for channel in rules[one.asset].withdraw.channels if channel.name == one.channel
        )
        assert re.fullmatch(channel.address_pattern, one.address)


def test_the_gateway_holds_the_demo_account_alone(workspace: Workspace) -> None:
    with workspace.claimed():
        workspace.write(secrets())
        found = read_folder(workspace.credentials)
    keyring = Keyring(found.keys)
    assert found.warnings == ()
    assert keyring.accounts == ("demo",)
    for pair in secrets().demo.values():
        assert {pair.api_key, pair.api_secret} < keyring.secrets()


def test_the_gateways_keys_have_the_rights_of_their_purpose_and_no_more(
    workspace: Workspace,
) -> None:
    with workspace.claimed():
        workspace.write(secrets())
        found = read_folder(workspace.credentials).keys
        demo, _ = load_scenario(workspace.scenario_file).accounts
    rights = {key.api_key: key.permissions for key in demo.keys}
    assert {slot.purpose: rights[key.credential.api_key] for slot, key in found.items()} == {
        Purpose.READ: {Permission.READ},
        Purpose.TRADE: {Permission.READ, Permission.TRADE},
    }


def test_the_key_encryption_key_is_one_of_this_run(workspace: Workspace) -> None:
    with workspace.claimed():
        workspace.write(secrets())
        keys = read_encryption_keys(workspace.kek_file)
    assert keys.newest == "dev"
    assert new_encryption_key("dev", lambda _length: keys.by_id["dev"]) == secrets().encryption_key


def test_who_shows_no_key_may_read_the_market_alone(workspace: Workspace) -> None:
    policy = policy_of(workspace)
    granted = {action for grant in policy.grants(ANONYMOUS) for action in grant.actions}
    assert granted == {Action.MARKET_READ}


def policy_of(workspace: Workspace) -> Policy:
    with workspace.claimed():
        workspace.write(secrets())
        return PolicyFile(workspace.policy_file, lambda: 0).current


def allowed(workspace: Workspace, token: str) -> set[Action]:
    policy = policy_of(workspace)
    proof = policy.authenticate(token)
    assert proof is not None
    return {
        action
        for action in Action
        if policy.decide(
            proof.principal.id, action, "demo" if action.needs_account else None
        ).allowed
    }


def test_the_app_may_trade_on_the_account_and_see_every_order(workspace: Workspace) -> None:
    assert allowed(workspace, secrets().token) == {
        *(Action.MARKET_READ, Action.ACCOUNT_READ),
        *(Action.ORDERS_PLACE, Action.ORDERS_CANCEL, Action.ORDERS_READ_ALL),
    }


def test_the_operator_may_stop_trading_and_read_the_record_but_not_trade(
    workspace: Workspace,
) -> None:
    assert allowed(workspace, secrets().operator_token) == {
        *(Action.MARKET_READ, Action.ACCOUNT_READ, Action.OPERATE, Action.AUDIT_READ)
    }


def test_the_policy_file_does_not_hold_the_tokens_themselves(workspace: Workspace) -> None:
    with workspace.claimed():
        workspace.write(secrets())
        text = workspace.policy_file.read_text()
    assert secrets().token not in text
    assert secrets().operator_token not in text


def test_env_can_be_sourced_whatever_a_value_holds(workspace: Workspace) -> None:
    with workspace.claimed():
        workspace.write_env({"PLAIN": "http://127.0.0.1:8000", "ODD": "a b'c$d\"e"})
        shown = subprocess.run(
            ["/bin/sh", "-c", '. "$1"; env', "sh", workspace.env_file],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout.splitlines()
    assert "PLAIN=http://127.0.0.1:8000" in shown
    assert "ODD=a b'c$d\"e" in shown


def test_env_goes_at_the_end_and_what_a_killed_run_left_goes_at_the_start(
    workspace: Workspace,
) -> None:
    workspace.folder.mkdir()
    workspace.env_file.write_text("export GATEWAY_TOKEN=old")
    workspace.logs.mkdir()
    (workspace.logs / "gateway.log").write_text("old")
    with workspace.claimed():
        assert not workspace.env_file.exists()
        assert not list(workspace.logs.iterdir())
        workspace.write_env({"GATEWAY_TOKEN": "new"})
    assert not workspace.env_file.exists()


def test_a_second_run_in_the_same_folder_is_refused(workspace: Workspace) -> None:
    with workspace.claimed():
        workspace.write_env({"GATEWAY_TOKEN": "first"})
        second = Workspace(workspace.folder)
        with pytest.raises(AlreadyRunning, match=str(workspace.folder.parent)), second.claimed():
            pass
        with pytest.raises(AlreadyRunning):
            second.require_free()
        assert "first" in workspace.env_file.read_text()
    second.require_free()


def test_a_folder_that_nobody_made_is_free(tmp_path: Path) -> None:
    Workspace(tmp_path / "new").require_free()
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / ".dev").write_text("in the way")
    with pytest.raises(UnusableFolder, match="File exists"), Workspace(tmp_path / ".dev").claimed():
        pass


def test_a_killed_run_lets_go_of_the_folder(workspace: Workspace) -> None:
    holder = (
        "import sys, time; from pathlib import Path;"
        "from gateway.cli.dev.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).claimed(): print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", holder, os.fspath(workspace.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning), workspace.claimed():
            pass
        process.kill()

    def claims() -> bool:
        with workspace.claimed():
            return True

    assert eventually(claims)

"""Loads a gateway for a long time and looks for what only time shows: `python -m bench.soak`.

Starts servers as `make dev` does, on free ports and in a folder of its own, or takes those that
`--url` names. Linux only: it reads `/proc`.
"""

import argparse
import asyncio
import os
import random
import sys

import aiohttp

from bench.soak_audience import Audience, mixed_subscriptions
from bench.soak_calls import Calls, at_pace
from bench.soak_memory import follow_memory
from bench.soak_report import Findings, Plan, show
from bench.soak_servers import Subject, on_fresh_servers
from bench.soak_tally import Gateway, Tally
from bench.stage import Interrupted
from gateway.cli.dev.processes import ServerFailed
from gateway.cli.dev.workspace import ACCOUNT

_LEAST_MINUTES = 0.2  # the course of memory needs some samples


def main() -> int:
    """Run a soak: 0 if it went well, 1 if not, 2 where it cannot run."""
    if sys.platform != "linux":
        print("the soak reads /proc: it runs on Linux only", file=sys.stderr)
        return 2
    plan, subject = _choices()
    try:
        findings = asyncio.run(_run(plan, subject))
    except (Interrupted, ServerFailed) as problem:
        print(str(problem) or "stopped", file=sys.stderr)
        return 1
    show(findings)
    faults = findings.faults(plan)
    print("\n".join(faults) or "nothing went wrong")
    return 1 if faults else 0


def _choices() -> tuple[Plan, Subject | None]:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--subscriptions", type=int, default=200)
    parser.add_argument("--queries", type=float, default=50, help="in a second")
    parser.add_argument("--orders", type=float, default=1, help="in a second")
    parser.add_argument(
        "--url", help="a gateway that runs; its token is in $GATEWAY_TOKEN, as .dev/env sets it"
    )
    parser.add_argument(
        "--pid", action="append", default=[], metavar="NAME=PID", help="with --url: a process"
    )
    chosen = parser.parse_args()
    if chosen.minutes < _LEAST_MINUTES:
        parser.error(f"--minutes: {_LEAST_MINUTES} at least")
    plan = Plan(chosen.minutes, chosen.subscriptions, chosen.queries, chosen.orders)
    if chosen.url is None:
        return plan, None
    account = os.environ.get("GATEWAY_ACCOUNT", ACCOUNT)
    gateway = Gateway(chosen.url, account, os.environ["GATEWAY_TOKEN"])
    pids = dict(pair.split("=") for pair in chosen.pid)
    return plan, Subject(gateway, {name: int(pid) for name, pid in pids.items()})


async def _run(plan: Plan, subject: Subject | None) -> Findings:
    findings = Findings(Tally())
    if subject is None:
        await on_fresh_servers(lambda fresh: _soak(plan, fresh, findings))
    else:
        await _soak(plan, subject, findings)
    return findings


async def _soak(plan: Plan, subject: Subject, findings: Findings) -> None:
    gateway, seconds = subject.gateway, plan.minutes * 60
    async with aiohttp.ClientSession(headers=gateway.headers) as session:
        calls = Calls(session, gateway, random.Random(), findings.tally)
        subscriptions = mixed_subscriptions(plan.subscriptions, gateway.account)
        async with Audience(gateway, subscriptions, findings.tally):
            memory = asyncio.create_task(follow_memory(subject.pids, findings.courses))
            await asyncio.gather(
                at_pace(plan.queries, seconds, calls.query),
                at_pace(plan.orders, seconds, calls.trade),
            )
            memory.cancel()
    findings.complaints += subject.complaints()


if __name__ == "__main__":
    sys.exit(main())

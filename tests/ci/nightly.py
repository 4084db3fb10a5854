"""``python -m tests.ci.nightly``: prints what the nightly workflow judges, one job each, for ``$GITHUB_OUTPUT``.

``started`` are the providers that start on the runner, ``containers`` those of them that start as a process and as a
container too, ``live`` the services with the beginning of their variables' names. Adding a provider changes nothing
here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.remote import RemoteLaunch
from bucket_conformance.providers.provider import LaunchKind, Provider

ANY_ENDPOINT = "remote"
"""The provider for endpoints that an operator names; the nightly run has none."""


def plan(providers: Iterable[Provider], *, seed: int) -> dict[str, str]:
    """Return the outputs: JSON each. One seed for all, so that jobs of one provider can be merged and compared."""
    chosen = sorted(providers, key=lambda provider: provider.id)
    kinds = {provider.id: {launch.kind for launch in provider.launches} for provider in chosen}
    started = [id for id, found in kinds.items() if found - {LaunchKind.REMOTE}]
    containers = [id for id, found in kinds.items() if found >= {LaunchKind.PROCESS, LaunchKind.CONTAINER}]
    live = [
        {"provider": provider.id, "variables": launch.variables.access_key.removesuffix("_ACCESS_KEY_ID")}
        for provider in chosen
        for launch in provider.launches
        if isinstance(launch, RemoteLaunch) and provider.id != ANY_ENDPOINT
    ]
    return {
        "seed": json.dumps(seed),
        "started": json.dumps(started),
        "containers": json.dumps(containers),
        "live": json.dumps(live),
    }


def main() -> None:
    for name, value in plan(discover().values(), seed=random.SystemRandom().randrange(2**31)).items():
        print(f"{name}={value}")


if __name__ == "__main__":
    main()

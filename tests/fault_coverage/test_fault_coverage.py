"""The kill table names surviving faults, clauses that kill nothing and false alarms; a real sample of it is clean."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.catalogue import entries
from tests.bench import every_fault
from tests.conformance.cli.running import until
from tests.fault_coverage.measure import main
from tests.fault_coverage.table import KillTable, markdown, summary
from tests.fault_coverage.trial import GOOD_SERVER, TOO_LONG, OutOfTime, Trial, at_most, in_order
from tests.providers.launching import is_alive

CLAUSES = {id: entries()[id] for id in ("RT-008", "URL-003", "DEL-010")}


def trial(fault: str, *killers: str, **more: Any) -> Trial:
    values: dict[str, Any] = {"first_kill_s": 0.5 if killers else None, "tried": tuple(CLAUSES), "duration_s": 1.0}
    return Trial(fault=fault, killers=killers, **{**values, **more})


def table(*trials: Trial, whole: bool = True) -> KillTable:
    return KillTable(faults=every_fault(), clauses=CLAUSES, trials=trials, whole=whole)


def killed() -> list[Trial]:
    """Return trials in which each of the three clauses notices its proofs and nothing else."""
    return [trial(fault, id) for id, entry in CLAUSES.items() for fault in entry.proved_by]


def test_a_table_of_kills_holds() -> None:
    found = table(*killed())
    assert found.holds()
    assert (found.survivors(), found.toothless(), found.failed_proofs(), found.false_alarms()) == ([], [], [], [])


def test_a_fault_that_no_clause_notices_survives() -> None:
    first, *others = killed()
    found = table(trial(first.fault), *others)
    assert found.survivors() == [first.fault]
    assert not found.holds()
    assert any(said.startswith(f"survives: {first.fault}: ") for said in summary(found))


def test_a_proof_that_only_a_neighbour_notices_is_no_proof() -> None:
    first, *others = killed()
    found = table(trial(first.fault, "DEL-010"), *others)
    assert found.survivors() == []
    assert (first.killers[0], first.fault) in found.failed_proofs()
    assert not found.holds()


def test_a_clause_that_kills_nothing_is_named() -> None:
    without = [one for one in killed() if one.killers != ("DEL-010",)]
    assert table(*without).toothless() == ["DEL-010"]
    assert not table(*without).holds()


def test_a_sample_says_nothing_of_clauses_whose_proofs_are_not_in_it() -> None:
    without = [one for one in killed() if one.killers != ("DEL-010",)]
    assert table(*without, whole=False).toothless() == []


def test_a_clause_that_fails_without_a_fault_is_a_false_alarm() -> None:
    found = table(trial(GOOD_SERVER, "RT-008"), *killed())
    assert found.false_alarms() == [("RT-008", GOOD_SERVER)]
    assert not found.holds()


def test_a_trial_that_could_not_be_made_is_no_success() -> None:
    found = table(*killed(), trial(GOOD_SERVER, failure="no port"))
    assert not found.holds()
    assert f"could not be tried: {GOOD_SERVER}: no port" in list(summary(found))


def test_the_page_names_every_fault_with_its_own_clause_in_bold_and_its_neighbours() -> None:
    first, *others = killed()
    neighbour = next(id for id in CLAUSES if id not in first.killers and id not in every_fault()[first.fault].breaks)
    both = replace(first, killers=(*first.killers, neighbour), undecided={"DEL-010": TOO_LONG})
    text = markdown(table(both, *others))
    (row,) = [
        line for line in text.splitlines() if line.startswith("| ") and f"`{first.fault}`" in line and "**" in line
    ]
    assert f"| **{first.killers[0]}**, {neighbour} | 0.50 s |" in row
    assert f"- `{first.fault}`: DEL-010 {TOO_LONG}" in text


def test_the_page_says_how_it_was_made() -> None:
    whole, near = (markdown(replace(table(*killed()), near=near)) for near in (False, True))
    assert "python -m tests.fault_coverage --markdown" in whole
    assert "python -m tests.fault_coverage --near --markdown" in near
    assert "of the families that it is meant to break is judged" in near


def test_the_clauses_that_a_fault_is_meant_for_come_first() -> None:
    fault = CLAUSES["RT-008"].proved_by[0]
    order = [entry.clause.id for entry in in_order(fault)]
    meant = every_fault()[fault].breaks | {"RT-008"}
    assert set(order[: len(meant)]) == meant
    assert sorted(order) == sorted(entries())


def test_near_a_fault_are_the_families_that_it_is_meant_for_and_its_proofs() -> None:
    near = in_order("ignores-content-md5", near=True)
    proofs = {id for id, entry in entries().items() if "ignores-content-md5" in entry.proved_by}
    families = {id.partition("-")[0] for id in proofs | set(every_fault()["ignores-content-md5"].breaks)}
    assert proofs
    assert (
        proofs <= {entry.clause.id for entry in near} < {entry.clause.id for entry in in_order("ignores-content-md5")}
    )
    assert {entry.clause.family for entry in near} == families
    assert len(in_order(GOOD_SERVER, near=True)) == len(entries())


def test_clauses_that_were_tried_before_are_left_out() -> None:
    fault = CLAUSES["RT-008"].proved_by[0]
    assert "RT-008" not in [entry.clause.id for entry in in_order(fault, ("RT-008",))]


def test_a_clause_is_cut_off_after_its_time() -> None:
    with pytest.raises(OutOfTime), at_most(0.05):
        threading.Event().wait(60)


def lines(path: Path) -> Sequence[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def test_a_wrong_fault_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--fault", "no-such-fault"]) == 2
    assert "no-such-fault" in capsys.readouterr().err


def test_what_is_in_the_results_is_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All results are known except one trial, whose line a kill cut off in the middle."""
    results, page = tmp_path / "results.jsonl", tmp_path / "page.md"
    fault = CLAUSES["RT-008"].proved_by[0]
    everything = tuple(entries())
    known = [trial(name, tried=everything) for name in ("(no fault, server)", "(no fault, folder)")]
    known.append(
        trial(fault, *sorted(id for id, entry in entries().items() if fault in entry.proved_by), tried=everything)
    )
    text = "".join(json.dumps(one.as_data()) + "\n" for one in known)
    results.write_text(text + text[:20], encoding="utf-8")
    assert main(["--fault", fault, "--jobs", "1", "--results", str(results), "--markdown", str(page)]) == 0
    assert results.read_text(encoding="utf-8") == text + text[:20]
    assert "1 of 1 faults killed" in capsys.readouterr().out
    assert f"`{fault}`" in page.read_text(encoding="utf-8")


def test_only_clauses_that_are_new_are_tried(tmp_path: Path) -> None:
    """A real trial, in a worker process, of the one clause that the results lack."""
    results = tmp_path / "results.jsonl"
    fault = CLAUSES["RT-008"].proved_by[0]
    others = tuple(id for id in entries() if id != "RT-008")
    known = [trial(name, tried=tuple(entries())) for name in ("(no fault, server)", "(no fault, folder)")]
    known.append(trial(fault, tried=others))
    results.write_text("".join(json.dumps(one.as_data()) + "\n" for one in known), encoding="utf-8")
    main(["--fault", fault, "--jobs", "1", "--results", str(results)])
    last = lines(results)[-1]
    assert (last["fault"], last["killers"]) == (fault, ["RT-008"])
    assert sorted(last["tried"]) == sorted(entries())
    assert last["first_kill_s"] is not None


def test_workers_end_with_a_command_that_is_killed() -> None:
    command = [sys.executable, "-m", "tests.fault_coverage", "--fault", CLAUSES["RT-008"].proved_by[0], "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as one:
        try:
            until(lambda: bool(workers(one.pid)), "a worker runs")
            (worker,) = workers(one.pid)
            one.kill()
            until(lambda: not is_alive(worker), "it has ended", 30)
        finally:
            os.killpg(one.pid, signal.SIGKILL)


def workers(pid: int) -> list[int]:
    """Return the child processes that ``multiprocessing`` has spawned, as soon as they judge."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in found if _judges(Path(f"/proc/{child}"))]


def _judges(process: Path) -> bool:
    spawned = b"spawn_main" in (process / "cmdline").read_bytes()
    return spawned and len(list((process / "task").iterdir())) > 2

"""The command line. Exit codes: 0 all as expected; 1 a status differs from the expected one, or a step failed; 2 wrong
usage or bad input, in one line.

Heavy modules are imported inside the commands that need them: `recheck` runs where only the kernel can be imported.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from theorytest import __version__, record, report
from theorytest.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOURS: dict[str, dict[str, Any]] = {
    "": {},
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "open": {"fg": "yellow"},
    "seen": {"fg": "cyan"},
    "dim": {"dim": True},
    "bold": {"bold": True},
}
FOLDER = ".theorytest"


def show(lines: Iterable[report.Line]) -> None:
    """Print styled lines; click drops the styles where standard output is no terminal."""
    colour = False if os.environ.get("NO_COLOR") else None
    for line in lines:
        click.echo(
            "".join(click.style(text, **COLOURS[style]) if style else text for text, style in line), color=colour
        )


def width() -> int:
    """Columns of the terminal; a fixed number in a log."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else report.LOG_WIDTH


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--json FILE`` on every command."""
    return click.option(
        "--json",
        "json_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        callback=_writable,
        help="Write the result as JSON to FILE.",
    )(command)


def _writable(context: click.Context, parameter: click.Parameter, json_file: Path | None) -> Path | None:
    """A file that cannot be written is known before a long run, not after it."""
    if json_file is not None:
        record.require_writable(json_file)
    return json_file


def save(json_file: Path | None, data: Any) -> None:
    """Write a machine-readable result where one is asked for."""
    if json_file is not None:
        record.write(json_file, data)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="theorytest %(version)s")
def cli() -> None:
    """Check deep-learning theory by machine: derive it, certify it, try to break it."""


# -- verify ----------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--profile", default="quick", show_default=True, help="quick or full: how much evidence is gathered.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda: where batched runs go.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of all random instances.")
@click.option("--workers", "-n", type=int, help="Number of processes.  [default: one per core, at most 4]")
@json_option
def verify(
    paths: Sequence[str], profile: str, device: str, seed: int, workers: int | None, json_file: Path | None
) -> int:
    """Check every statement and control of proof files or folders (default: proofs)."""
    from theorytest.verification import verify as run

    workers = cores() if workers is None else workers
    with progress() as step:
        result = run(
            list(paths), profile=profile, seed=seed, device=device, workers=workers, progress=step, folder=FOLDER
        )
    save(json_file, result.record)
    show([*report.table(result.record, width=width()), *report.footer(result.record, result.path, paths)])
    asked = [e["label"] for e in result.record["statements"] if e["reason"] != record.NOT_SELECTED]
    reasons = {item["label"]: item["reason"] for item in result.record["left_out"]}
    if asked and set(asked) <= set(reasons):
        raise InputError(f"nothing that was asked for could be checked: {reasons[asked[0]]}")
    return result.exit_code


def cores() -> int:
    """Cores that this process may use, at most 4."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


@contextmanager
def progress(
    verb: str = "checking", first: str = "loading proof files"
) -> Iterator[Callable[[int, int, str], None] | None]:
    """A progress bar on a terminal; nothing in a log."""
    if not (sys.stderr.isatty() and sys.stdout.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    columns = (
        TextColumn(verb),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(first, total=None)

        def step(done: int, total: int, label: str) -> None:
            bar.update(task, completed=done, total=total, description=label.replace("[", r"\["))

        yield step


# -- conjecture -------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("given", metavar="FILE.py[:NAME]")
@click.option("--budget", default=60.0, show_default=True, help="Seconds for each conjecture.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of all searches.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for plots of trajectories (SVG).")
@json_option
def conjecture(given: str, budget: float, seed: int, out: Path | None, json_file: Path | None) -> int:
    """Decide the conjectures of a file: prove, refute with the smallest witness, or say what was tried."""
    from theorytest.authoring import Run
    from theorytest.ledger import Ledger
    from theorytest.loader import find
    from theorytest.verification import require
    from theorytest.worker import decisions

    path, _, name = given.partition(".py:") if ".py:" in given else (given.removesuffix(".py"), "", "")
    (file,) = find([f"{path}.py"])
    require(profile="quick", seed=seed, device="cpu")
    if not budget > 0:
        raise InputError(f"given a budget of {budget:g} seconds, needed a positive number")
    ledger = Ledger(FOLDER)
    environment = record.environment(profile="quick", seed=seed, device="cpu", workers=1)
    number = ledger.begin(environment)
    fragments: list[record.Fragment] = []
    with progress() as step:
        for done, (found, total) in enumerate(decisions(str(file), name, Run("quick", seed, "cpu", budget)), 1):
            ledger.add(number, found)
            fragments += found
            if step is not None:
                step(done, total, found[-1]["label"])
    written, made = ledger.finish(number, fragments)
    save(json_file, made)
    show(report.decisions(made, written, f"{path}.py", width=width()))
    if out is not None:
        from theorytest.notes.drawing import write_trajectories

        show([((f"plot: {file}", ""),) for file in write_trajectories(made, out)])
    return int(bool(record.problems(made)))


# -- sharpen ----------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("labels", nargs=-1, metavar="[LABEL]...")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="Proof files or folders.  [default: proofs]")
@click.option("--seconds", default=60.0, show_default=True, help="Seconds for each statement.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of all searches.")
@click.option("--table", type=click.Path(path_type=Path), metavar="FILE.md", help="Write the results as a table.")
@json_option
def sharpen(
    labels: Sequence[str],
    paths: Sequence[str],
    seconds: float,
    seed: int,
    table: Path | None,
    json_file: Path | None,
) -> int:
    """The best constants of inequalities: of the statements with these labels, or of all that have any."""
    from theorytest import loader, sharpness
    from theorytest.authoring import Run
    from theorytest.explain import find
    from theorytest.verification import Checker, one_thread, require

    require(profile="quick", seed=seed, device="cpu")
    if not seconds > 0:
        raise InputError(f"given {seconds:g} seconds, needed a positive number")
    one_thread()
    library = loader.load(list(paths) or None)
    if labels:
        chosen = [find(library, label) for label in labels]
    else:
        chosen = [e for e in library.entries.values() if e.selected and sharpness.can_be_varied(e.statement)]
    checker = Checker(library, Run("quick", seed, "cpu"))
    found: list[tuple[str, list[sharpness.Sharpness]]] = []
    with progress("sharpening") as step:
        for done, entry in enumerate(chosen, 1):
            statement = entry.statement
            proved = [c.statement for c in entry.controls if c.survives is not None and checker.survives(entry, c)]
            found.append((statement.label, sharpness.sharpen(statement, seed, seconds=seconds, proved=proved)))
            if step is not None:
                step(done, len(chosen), statement.label)
    rows = [row for label, parts in found for row in sharpness.rows(label, parts)]
    save(json_file, {"seed": seed, "terms": rows})
    if table is not None:
        record.write(table, report.sharpness_table(rows))
    show(report.sharpness(rows, width=width()))
    return 0


# -- recheck ---------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("file", metavar="RECORD.json", type=click.Path(path_type=Path))
@json_option
def recheck(file: Path, json_file: Path | None) -> int:
    """Check the statements and certificates of a record again, with the kernel alone."""
    made = record.read(file)
    from theorytest.kernel.check import recheck as check_again

    start = time.perf_counter()
    found = check_again(made)
    seconds = time.perf_counter() - start
    parts = [e.get("controls") for e in made["statements"] if isinstance(e, dict)]
    controls = sum(len(part) for part in parts if isinstance(part, list))
    counts = f"{report.plural(len(made['statements']), 'statement')}, {report.plural(controls, 'control')}"
    kernel = record.kernel_identity()["digest"]
    other = _other_kernel(made, kernel)
    save(
        json_file,
        {"ok": not found, "problems": found, "kernel": kernel, "made_by": other, "seconds": round(seconds, 3)},
    )
    by = f"kernel {kernel[:6]} alone, {seconds:.1f} s"
    if not found:
        show([((f"{file}: {counts}: every certificate holds ({by})", "good"),)])
        show([(("not rechecked: evidence, LaTeX, what controls are said to change, reasons, timings", "dim"),)])
        if other:
            show([((f"the record was made by another kernel, {other[:6]}", "dim"),)])
        return 0
    verb = "does" if len(found) == 1 else "do"
    show([((f"{file}: {counts}: {len(found)} {verb} not hold ({by})", "bad"),)])
    show([((f"  {text}", "bad"),) for text in found])
    if other:
        likely = f"the record was made by another kernel, {other[:6]}: a likely reason; run theorytest verify again"
        show([((likely, "open"),)])
    return 1


def _other_kernel(made: record.Record, kernel: str) -> str:
    """The digest of the kernel that made a record, where it is not this one; else ""."""
    at = made.get("environment")
    told = at.get("kernel") if isinstance(at, dict) else None
    digest = told.get("digest") if isinstance(told, dict) else None
    return digest if isinstance(digest, str) and digest != kernel else ""


# -- explain ---------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("label", required=False)
@click.option("--path", "paths", multiple=True, help="Proof file or folder (default: proofs); may be repeated.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of the search for witnesses.")
@click.option("--as-test", is_flag=True, help="Print a standalone test that needs the kernel only.")
@click.option("--findings", is_flag=True, help="Show the controls that survive.")
@json_option
def explain(
    label: str | None, paths: Sequence[str], seed: int, as_test: bool, findings: bool, json_file: Path | None
) -> int:
    """Show the derivation of LABEL step by step, what it rests on, and its controls; without LABEL, all labels."""
    from theorytest.explain import EVIDENCE, labels, standalone_test
    from theorytest.explain import explain as check

    if label is None and as_test:
        raise InputError("--as-test needs the label of one statement")
    if label is None and not findings:
        known = labels(list(paths) or None)
        save(json_file, known)
        wide = max((len(item["label"]) for item in known), default=0)
        show([((item["label"].ljust(wide), "bold"), (f"  {item['title']}", "")) for item in known])
        return 0
    made = check(label, list(paths) or None, seed=seed, whole=as_test or findings)
    if as_test:
        assert label is not None
        save(json_file, made)
        click.echo(standalone_test(made, label), nl=False)
        return 0
    if findings:
        survivors = [c for c in record.controls(made) if c["outcome"] != "REFUTED"]
        save(json_file, survivors)
        show([((f"{len(survivors)} control{'s survive' if len(survivors) != 1 else ' survives'}", "bold"),)])
        for control in survivors:
            show([((control["label"], "dim"),), *report.control_lines(control, width=width())])
        return 0
    if made["control"] is not None:
        (control,) = [c for c in record.controls(made) if c["label"] == made["control"]]
        save(json_file, control)
        show(report.control_explanation(control, width=width()))
        return int(control["outcome"] != control["expected"])
    (entry,) = [e for e in made["statements"] if e["label"] == made["asked"]]
    save(json_file, entry)
    show(report.explanation(entry, width=width()))
    if entry["reason"] == EVIDENCE:
        return 0
    return int(any(text.partition(" ")[0] == entry["label"] for text in record.problems(made)))


# -- coverage --------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--record", "name", help="Run (a number) or record file.  [default: the newest run here]")
@json_option
def coverage(name: str | None, json_file: Path | None) -> int:
    """Show every statement of the papers with its status in the record of a run, how many of its assumptions have a
    control (one that is refuted or survives as a finding), and what is missing."""
    from theorytest import blueprint

    if name is None:
        runs = sorted(int(p.stem) for p in Path(FOLDER).glob("*.json") if p.stem.isdigit())
        if not runs:
            raise InputError(f"there is no record in {FOLDER}: run `theorytest verify` first")
        name = str(runs[-1])
    file = _record_file(name)
    try:
        rows = blueprint.coverage(record.read(file), blueprint.inventory())
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is not a complete record: {error} is missing") from error
    save(json_file, rows)
    for row in rows:
        found = [a for part in row["controlled"] for a in part["assumptions"]]
        counts = f"{sum(map(blueprint.has_control, found))}/{len(found)}" if found else ""
        words = f" (in words: {row['in_words']})" if row["in_words"] else ""
        words += "" if row["status"] else f" ({row['reason']})"
        line = f"{row['status'] or 'missing':10} {row['id']:20} {counts:6} {row['title']}{words}"
        show([((line, "" if row["status"] else "dim"),)])
    tried = blueprint.control_summary([part for row in rows for part in row["controlled"]])
    show([((line, "bold"),) for line in (*blueprint.summary(rows), tried[0])])
    show([((line, "open"),) for line in tried[1:]])
    show([((f"record: {file}", "bold"),)])
    show([((f"statuses as that record says; theorytest recheck {file} has the kernel check them", "dim"),)])
    return 0


# -- diff ------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("run1")
@click.argument("run2")
@json_option
def diff(run1: str, run2: str, json_file: Path | None) -> int:
    """Show which verdicts and certificates differ between two runs (numbers or record files), and why."""
    old, new = (record.read(_record_file(name)) for name in (run1, run2))
    try:
        found = record.compare(old, new)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"one of {run1}, {run2} is not a complete record: {error} is missing") from error
    save(json_file, [{"label": d.label, "before": d.before, "after": d.after, "why": d.why} for d in found])
    show([(("verdicts as these records say; theorytest recheck has the kernel check them", "dim"),)])
    if not found:
        same = record.dumps(record.deterministic(old)) == record.dumps(record.deterministic(new))
        show(
            [
                (
                    (
                        "no verdict or certificate differs"
                        + (", and evidence is the same byte for byte" if same else ""),
                        "",
                    ),
                )
            ]
        )
        return 0
    wide = max(len(d.label) for d in found)
    for d in found:
        before, after = record.strength(d.before), record.strength(d.after)
        style = "bad" if after < before else "good" if after > before else "open"
        show(
            [
                (
                    (d.label.ljust(wide), "bold"),
                    (f"  {d.before or '-'} -> {d.after or '-'}", style),
                    (f"  {d.why}", "dim"),
                )
            ]
        )
    return 1


def _record_file(name: str) -> Path:
    folder = Path(FOLDER)
    if not name.isdigit():
        return Path(name)
    path = folder / f"{int(name):04d}.json"
    if path.is_file():
        return path
    known = sorted(p.stem for p in folder.glob("*.json") if p.stem.isdigit())
    there = f"the finished runs are {known[0]} to {known[-1]}" if known else "no run has finished here"
    raise InputError(f"run {name} has no record in {folder}: {there}")


# -- notes -----------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--format", "kinds", default="html,latex,pdf", show_default=True, help="Formats, separated by commas.")
@click.option("--out", default="notes", show_default=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--record", "name", help="Run (a number) or record file.  [default: verify PATHs now]")
@json_option
def notes(paths: Sequence[str], kinds: str, out: Path, name: str | None, json_file: Path | None) -> int:
    """Write derivation notes of proof files (default: proofs), or of the record of a run, which is rechecked first."""
    from theorytest.notes.build import build, formats

    wanted = formats(kinds)
    if name is not None:
        made, code = record.read(_record_file(name)), 0
    else:
        from theorytest.verification import verify as run

        with progress() as step:
            result = run(list(paths), workers=cores(), progress=step, folder=FOLDER)
        made, code = result.record, result.exit_code
        show(report.footer(made, result.path, paths))
    files = build(made, out, formats=wanted, paths=paths, checked=name is None)
    save(json_file, {"files": [str(f) for f in files], "statements": len(made["statements"])})
    show([((f"wrote {f}", ""),) for f in files])
    return code


# -- new -------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("name")
@json_option
def new(name: str, json_file: Path | None) -> int:
    """Start a project of one's own: one statement, one control, a CI file."""
    from theorytest.project import create

    files = create(name)
    save(json_file, {"name": name, "files": [str(f) for f in files]})
    show([((f"made {file}", ""),) for file in files])
    show([((f"next: cd {name} && theorytest verify", "bold"),)])
    return 0


# -- laws ------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("spec", metavar="SPEC")
@click.option("--degree", default=2, show_default=True, type=int, help="Greatest degree of polynomial laws.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of primes, points and directions.")
@json_option
def laws(spec: str, degree: int, seed: int, json_file: Path | None) -> int:
    """Conservation laws of SPEC: linear:3,4,2  relu:3,5,3+bias  cp:dims=3x4x5,rank=2  ...  or FILE.py:NAME."""
    from theorytest.laws import conservation_laws
    from theorytest.laws.table import laws_table

    found = conservation_laws(spec, degree=degree, seed=seed)
    save(json_file, found.to_json())
    show(laws_table(found, width=width()))
    return 0


# -- reproduce -------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...|list|all")
@click.option("--profile", default="quick", show_default=True, help="quick: minutes; full: the papers' sizes.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--dtype", default="float64", show_default=True, help="float64 or float32.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of targets, observations and starts.")
@click.option("--target", type=click.Path(path_type=Path), metavar="FILE.npz", help="Ground truth tensor of your own.")
@click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help="IDX files of MNIST or Fashion-MNIST.")
@click.option(
    "--out", default=f"{FOLDER}/reproduction", show_default=True, type=click.Path(path_type=Path), metavar="DIR"
)
@click.option("--workers", "-n", type=int, help="Number of processes.  [default: one per core, at most 4; cuda: 1]")
@json_option
def reproduce(
    ids: Sequence[str],
    profile: str,
    device: str,
    dtype: str,
    seed: int,
    target: Path | None,
    data: Path | None,
    out: Path,
    workers: int | None,
    json_file: Path | None,
) -> int:
    """Figures and tables of the papers: data, plot, and a comparison with what was published.

    An interrupted run goes on from where it was when the same command is given again.
    """
    from theorytest.reproduce import table
    from theorytest.reproduce.runner import left_out
    from theorytest.reproduce.runner import reproduce as run

    if list(ids) == ["list"]:
        known = table.listing()
        save(json_file, known)
        show(table.listing_lines(known))
        return 0
    if workers is None:
        workers = cores() if device == "cpu" else 1
    options = {"profile": profile, "device": device, "dtype": dtype, "seed": seed}
    made: list[Any] = []
    try:
        with progress("computing", "preparing") as step:
            for entry in run(ids, **options, target=target, data=data, out=out, workers=workers, progress=step):
                made.append(entry)
                show(table.made_lines(entry, width=width()))
    except KeyboardInterrupt:
        click.echo("theorytest: interrupted; the same command goes on from where it was", err=True)
        return 130
    missing = left_out(ids, data)
    save(json_file, {"schema": 1, **options, "figures": [entry.to_json() for entry in made], "left_out": missing})
    show([((f"left out: {name}, as {reason}", "open"),) for name, reason in missing.items()])
    show(table.summary(made))
    return int(any(a.violations for entry in made for a in entry.report.agreements))


@cli.group()
def bench() -> None:
    """Side-by-side benchmarks."""


@bench.command(name="laws")
@click.option(
    "--cases",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Networks  [default: 50 random and 4 large ones]",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of primes, points and directions.")
@json_option
def bench_laws(cases: Path | None, seed: int, json_file: Path | None) -> int:
    """Count, certificate and degree-2 basis of the conservation laws of a list of networks."""
    from theorytest.laws.bench import default_cases, read_cases, run
    from theorytest.laws.table import bench_table

    chosen = default_cases(larger=True) if cases is None else read_cases(cases)
    with progress() as step:
        result = run(chosen, seed=seed, progress=step)
    save(json_file, result)
    show(bench_table(result))
    return int(bool(result["differ"]))


@bench.command(name="flows")
@click.option("--batch", default=4096, show_default=True, type=int, help="Instances of every problem.")
@click.option("--time", "t", default=10, show_default=True, type=int, help="End time of the flows.")
@click.option("--error", default=1e-9, show_default=True, type=float, help="Largest relative error to be achieved.")
@click.option("--repeats", default=5, show_default=True, type=int, help="Timed runs of every method.")
@click.option("--seconds", default=10.0, show_default=True, type=float, help="Most time for the runs of one method.")
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda: our torch engine alone.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of the starts.")
@click.option("--growth/--no-growth", default=True, help="Show how the cost grows with batch, time and parameters.")
@json_option
def bench_flows(
    batch: int, t: int, error: float, repeats: int, seconds: float, device: str, seed: int, growth: bool,
    json_file: Path | None,
) -> int:  # fmt: skip
    """Batched gradient flows, with heyoka, diffrax, torchode, torchdiffeq and scipy, at equal achieved error."""
    from theorytest.bench.flows import run
    from theorytest.bench.table import flows_table

    with progress("measuring", "preparing") as step:
        result = run(
            batch=batch, t=t, target=error, repeats=repeats, seconds=seconds, device=device, seed=seed, growth=growth,
            progress=step,
        )  # fmt: skip
    save(json_file, result)
    show(flows_table(result))
    return 0


@bench.command(name="precision")
@click.option("--digits", default=(15, 30), show_default=True, multiple=True, type=int, help="Digits; may be repeated.")
@click.option("--time", "times", default=(10,), show_default=True, multiple=True, type=int, help="End time; likewise.")
@click.option("--repeats", default=3, show_default=True, type=int, help="Timed runs of every method.")
@click.option("--seconds", default=20.0, show_default=True, type=float, help="Most time for the runs of one method.")
@json_option
def bench_precision(
    digits: Sequence[int], times: Sequence[int], repeats: int, seconds: float, json_file: Path | None
) -> int:
    """Gradient flow in many digits: Taylor series, certified enclosures, mpmath.odefun, heyoka."""
    from theorytest.bench.precision import run
    from theorytest.bench.table import precision_table

    with progress("measuring", "preparing") as step:
        result = run(digits=digits, times=times, repeats=repeats, seconds=seconds, progress=step)
    save(json_file, result)
    show(precision_table(result))
    return 0


@bench.command(name="experiments")
@click.option("--case", "names", multiple=True, metavar="ID", help="Only this case; may be repeated.")
@click.option("--seconds", default=2.0, show_default=True, type=float, help="Time for each rate.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@json_option
def bench_experiments(names: Sequence[str], seconds: float, device: str, json_file: Path | None) -> int:
    """Iterations per second of the papers' experiments, with plain autograd and the published settings beside."""
    from theorytest.reproduce.bench import bench_table, run
    from theorytest.verification import require

    require(profile="quick", seed=0, device=device)
    with progress("measuring", "preparing") as step:
        result = run(device=device, seconds=seconds, names=tuple(names), progress=step)
    save(json_file, result)
    show(bench_table(result))
    return 0


# -- errors ----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: runs a command, turns errors that a user can put right into one line and exit code 2."""
    try:
        code = cli.main(arguments, prog_name="theorytest", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        code = fail(error.format_message())
    except InputError as error:
        code = fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("theorytest: interrupted; verdicts found so far are in .theorytest/ledger.sqlite", err=True)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> int:
    """One line on standard error; exit code 2."""
    click.echo(f"theorytest: {record.one_line(message, 1000)}", err=True)
    return 2


if __name__ == "__main__":
    main()

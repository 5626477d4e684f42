"""The report: a folder with one self-contained page and every number of it as csv and json."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from qsr_jax.data.studies.manifest import HEALTHY, PATIENT
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import SECTIONS, Tables, compute_tables
from qsr_jax.evaluation.measure.example_slices import Shown
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.report.about import About
from qsr_jax.evaluation.report.checklist import CHECKLIST, checklist
from qsr_jax.evaluation.report.gallery import all_pictures
from qsr_jax.evaluation.report.opening import opening
from qsr_jax.evaluation.report.saving import (
    FORMAT,
    TABLES_CSV,
    TABLES_JSON,
    TABLES_TEX,
    VALUES,
    save_latex,
    save_tables,
    save_values,
)
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import Section
from qsr_jax.files.staged import check_ours, replaced_folder
from qsr_jax.formats.html import to_html
from qsr_jax.formats.numbers import plural, sentence
from qsr_jax.formats.pages import templates_of
from qsr_jax.maps import MAPS

PAGE = "index.html"
FILES = (PAGE, VALUES, TABLES_CSV, TABLES_JSON, TABLES_TEX, CHECKLIST)


def check_target(out: Path) -> None:
    """Refuses a folder that is not a report of ours; call it before the long work.

    Raises:
        ValueError: see :func:`qsr_jax.files.staged.check_ours`.
    """
    check_ours(out, document=TABLES_JSON, form=FORMAT)


def write_report(
    out: Path,
    *,
    cohort: Cohort,
    shown: Shown,
    about: About,
    sections: Sequence[Section] = SECTIONS,
) -> Tables:
    """Computes the tables, saves all numbers, then draws; ``out`` appears or changes as a whole.

    Args:
        out: folder to make, or an older report to replace.
        cohort: the values of all subjects.
        shown: slices to show.
        about: what the header says.
        sections: of the report, from top to bottom.

    Returns:
        The tables.

    Raises:
        ValueError: ``out`` holds something else, or the values are degenerate.
        WriteError: the disk refused; an older report is still in place.
    """
    check_target(out)
    tables = compute_tables(cohort, sections=sections)
    sentences = opening(cohort)
    with replaced_folder(out) as folder:
        save_values(folder / VALUES, cohort.values)
        save_tables(folder, tables, sentences, about, files=FILES)
        save_latex(folder / TABLES_TEX, cohort, sections)
        (folder / CHECKLIST).write_text(checklist(about, cohort), encoding="utf-8")
        page = _render(cohort, shown, about, sentences, sections)
        (folder / PAGE).write_text(page, encoding="utf-8")
    return tables


def _render(
    cohort: Cohort,
    shown: Shown,
    about: About,
    sentences: Sequence[str],
    sections: Sequence[Section],
) -> str:
    environment = templates_of(Path(__file__).parent)
    groups = list(cohort.group.values())
    environment.globals |= {
        "about": about,
        "cohort": cohort,
        "pictures": list(all_pictures(shown, cohort.maps)),
        "published": published,
        "specs": MAPS,
        "called": name_of,
        "plural": plural,
        "sentence": sentence,
        "n_healthy": groups.count(HEALTHY),
        "n_patients": groups.count(PATIENT),
    }
    parts = [(section, _section(environment, section, cohort)) for section in sections]
    return environment.get_template("report.html").render(
        opening=sentences, sections=[(section, part) for section, part in parts if part]
    )


def _section(environment: Environment, section: Section, cohort: Cohort) -> Markup:
    """A section of the page, without its heading; empty where there is nothing to say."""
    if not section.has_rows(cohort):
        return (
            Markup('<p class="note">{}</p>').format(section.absent) if section.absent else Markup()
        )
    tables = {table.name: to_html(table) for table in section.shown(cohort)}
    words = section.source.with_suffix(".html")
    if not words.exists():
        return Markup("").join(tables.values())
    template = environment.from_string(words.read_text(encoding="utf-8"))
    return Markup(template.render(tables=tables, **section.plots(cohort)))

"""Checklists of reporting, filled as far as the software knows: a file beside the report.

CLAIM 2024 (Tejani et al. 2024, doi:10.1148/ryai.240300) and STARD-AI (Sounderajah et al. 2025,
doi:10.1038/s41591-025-03953-8). Items stand in their order, in short words of our own and without
their numbers: fill in the journal's own form from here. What people decided, and what happened
before the scans came, is "not known to the software".
"""

from collections.abc import Mapping, Sequence

from qsr_jax.data.studies.manifest import HEALTHY, PATIENT
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.report.about import About
from qsr_jax.evaluation.values import TRUTH
from qsr_jax.formats.numbers import plural

CHECKLIST = "checklist.md"
UNKNOWN = "not known to the software"

CLAIM: tuple[tuple[str, str], ...] = (
    ("Title: that it is AI", ""),
    ("Abstract: design, results, conclusions", ""),
    ("Background and clinical role", "role"),
    ("Aims and hypotheses", "aims"),
    ("Prospective or retrospective", ""),
    ("Goal of the study", "goal"),
    ("Sources of data", "data"),
    ("Who was included and excluded", "excluded"),
    ("Preparation of data", "preparation"),
    ("Selection of subsets", "slices"),
    ("De-identification", "privacy"),
    ("Missing data", "missing"),
    ("How images were acquired", "acquisition"),
    ("Reference standard: definition", "reference"),
    ("Reference standard: why this one", "why"),
    ("Reference standard: where annotations come from", "labels"),
    ("Annotation of the test set", "labels"),
    ("Variability between and within annotators", ""),
    ("How subjects were dealt to partitions", "partition"),
    ("Level at which partitions are disjoint", "disjoint"),
    ("Intended sample size, and why", ""),
    ("Model: inputs, outputs, layers", "model"),
    ("Software and versions", "software"),
    ("Initialisation of weights", "notes"),
    ("Training: procedure and settings", "training"),
    ("How the final model was chosen", "chosen"),
    ("Ensembles", "ensemble"),
    ("Measures of performance", "measures"),
    ("Significance and uncertainty", "uncertainty"),
    ("Robustness and sensitivity", "robust"),
    ("Explanation of the model", ""),
    ("Evaluation on internal data", "split"),
    ("Evaluation on external data", ""),
    ("Registration of the trial", ""),
    ("Flow of subjects", "flow"),
    ("Demographics of each partition", "groups"),
    ("Performance on the test partition", "results"),
    ("Estimates with their precision", "results"),
    ("Failures", "failures"),
    ("Limitations", "limits"),
    ("What follows for practice", ""),
    ("Where the protocol is", ""),
    ("Where software, models and data are", "where"),
    ("Funding", ""),
)
STARD_AI: tuple[tuple[str, str], ...] = (
    ("Title and abstract: accuracy, and that it is AI", ""),
    ("Background, intended use of the index test", "role"),
    ("Aims and hypotheses", "aims"),
    ("Ethics approval", ""),
    ("Collection before or after the tests", ""),
    ("Eligibility; how, where and when subjects were found", "data"),
    ("Consecutive, random or chosen series", ""),
    ("Data: source, collection, preparation, quality", "preparation"),
    ("Data: partitions, and that none shares a subject", "disjoint"),
    ("Index test: model, version, digest of weights", "model"),
    ("Index test: hardware and software", "software"),
    ("Index test: who uses it, and what they were taught", ""),
    ("Reference standard, and why", "reference"),
    ("Thresholds of the index test, chosen before or after", "thresholds"),
    ("Blinding of index test and reference", "blind"),
    ("Analysis of accuracy, and of its variability", "uncertainty"),
    ("Indeterminate and missing results", "missing"),
    ("Sample size, and why", ""),
    ("Fairness: groups of subjects apart", "groups"),
    ("Flow of subjects", "flow"),
    ("Demographics, severity, other diagnoses", ""),
    ("Time and treatment between the tests", ""),
    ("Results against the reference, with precision", "results"),
    ("Failures and harms of the tests", "failures"),
    ("Limitations: bias, generality", "limits"),
    ("What follows for practice", ""),
    ("Registration, protocol, funding", ""),
    ("Commercial interests", ""),
    ("Availability of code, model, data; audit", "where"),
)
"""Item, and the key of its answer in :func:`answers`; "" where no software can know."""


def answers(about: About, cohort: Cohort) -> Mapping[str, str]:
    """What the software knows, by key."""
    return _of_data(about, cohort) | _of_models(about) | _of_analysis(about)


def _of_data(about: About, cohort: Cohort) -> dict[str, str]:
    groups = list(cohort.group.values())
    dealt = "; ".join(
        f"{split} {sum(of.values())} ({', '.join(f'{n} {g}' for g, n in of.items())})"
        for split, of in about.subjects.items()
        if of
    )
    simulated = any(v.method == TRUTH for v in cohort.values)
    truth = " and, beside it, the simulated truth" if simulated else ""
    return {
        "data": f"{about.data}; manifest {about.fingerprint[:12]}",
        "excluded": f"{about.refused} series or studies refused when pairing, each with its "
        "reason in the manifest; clinical criteria are not known",
        "preparation": "series read in ms and percent, fast and routine paired by headers and "
        "image quality, brain mask from the routine maps; heads that moved between the scans: "
        f"{about.movement}",
        "slices": "; ".join(f"{split} {n} slices" for split, n in about.slices.items() if n),
        "privacy": f"subjects are salted hashes; {UNKNOWN} what was done before",
        "acquisition": "simulated multi-delay multi-echo scan; settings in cohort.json"
        if simulated
        else f"series listed in the manifest; {UNKNOWN} otherwise",
        "reference": f"the routine scan of the same session{truth}",
        "why": f"it is what the fast scan is to replace{truth and '; the truth is noise-free'}",
        "labels": about.labels,
        "partition": f"each subject by hash of PatientID and seed; patients test: {dealt}",
        "disjoint": "subject; checked when records are built and when models are loaded",
        "flow": f"{dealt}; {about.refused} refused; {about.measured} measured",
        "groups": f"{groups.count(HEALTHY)} healthy, {groups.count(PATIENT)} patients measured; "
        f"age, sex and origin are {UNKNOWN}",
        "limits": "simulated subjects: the simulator’s limits are in docs/simulator.md"
        if simulated
        else "no truth is known; repeatability only where a scan was repeated",
    }


def _of_models(about: About) -> dict[str, str]:
    models = [model for training in about.trainings for model in training.models]
    named = [f"{m.description}, sha256 {m.weights_sha256[:12]}" for m in models]
    seeds = ", ".join(str(t.seed) for t in about.trainings if t.seed is not None)
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    return {
        "model": f"{'; '.join(dict.fromkeys(named))}; layers and settings in config.json of each "
        "workdir",
        "software": f"{versions}; {about.hardware}",
        "notes": "; ".join(about.notes()) or "seeded; config.json of each workdir",
        "training": f"config.json and metrics.jsonl of each workdir; seeds {seeds or 'differ'}",
        "chosen": "the checkpoint that was asked for (latest unless said); by whom and how "
        f"settings were chosen is {UNKNOWN}",
        "ensemble": f"{plural(len(about.trainings), 'training')}; a subject predicted by several "
        "counts once, with the mean",
        "where": "qsr_jax (Apache-2.0); models by sha256, data by fingerprint "
        f"{about.fingerprint[:12]}; where they may be had is {UNKNOWN}",
    }


def _of_analysis(about: About) -> dict[str, str]:
    return {
        "role": "routine-quality T1, T2 and PD maps from a fast scan; research use only",
        "aims": "agreement with routine of means and of individuals (section “Verdict”); which "
        "hypothesis was declared before is not known",
        "goal": "evaluation of trained models against the routine scan and interpolation",
        "missing": "a subject without a map or place is left out of that comparison, whose n says "
        "so; nothing is imputed",
        "measures": "means of tissues, regions and lesions; errors by place; lesion visibility; "
        "image quality (every table says its convention)",
        "uncertainty": "95 % intervals over subjects; families corrected as the verdict says; "
        "below 3 subjects no test",
        "robust": "spread over folds and seeds where there are several; test–retest where a scan "
        "was repeated",
        "split": f"{about.split} split, {plural(about.measured, 'subject')}",
        "results": "tables.csv, values.csv and the page beside this file",
        "failures": "slices with the largest error; lesions lost; where planted, lesions left out "
        "and invented",
        "thresholds": "constants of the software, the same for every method: margin and reading "
        "rule stand in the tables",
        "blind": "computed, no reader; for readers see the door reader_study",
    }


def checklist(about: About, cohort: Cohort) -> str:
    """Both checklists as Markdown."""
    known = answers(about, cohort)
    lines = [
        "# Checklists of reporting",
        "",
        f"Filled by qsr_jax {about.versions.get('qsr_jax', '')} on {about.date} as far as it "
        "knows; items in short words of our own, in the order of the published lists.",
    ]
    for title, items in (
        ("CLAIM 2024 (doi:10.1148/ryai.240300)", CLAIM),
        ("STARD-AI (doi:10.1038/s41591-025-03953-8)", STARD_AI),
    ):
        lines += ["", f"## {title}", "", "| item | answer |", "|---|---|"]
        lines += _rows(items, known)
    return "\n".join(lines) + "\n"


def _rows(items: Sequence[tuple[str, str]], known: Mapping[str, str]) -> list[str]:
    """A line per item; a bar in an answer would end its cell."""
    told = ((item, known[key] if key else UNKNOWN) for item, key in items)
    return [f"| {item} | {answer.replace('|', '/')} |" for item, answer in told]

"""Which labels the tables of an evaluation use, and where they come from.

Simulated subjects bring their truth. For scanned subjects tissues are told from the maps, and
regions by registration to MNI space; lesions are what somebody drew.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from qsr_jax.anatomy.label_subject import SubjectLabels, find_anatomy
from qsr_jax.anatomy.optional_dependency import needs_atlas_extra
from qsr_jax.anatomy.region_sources import AtlasFiles, GeometricRegions, RegionSource
from qsr_jax.anatomy.registration import AtlasTemplate, make_atlas_template
from qsr_jax.data.nifti.atlas_files import atlas_labeller, read_template
from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import ROUTINE, Subject
from qsr_jax.evaluation.measure.labels import (
    Labels,
    found_labels,
    moved_labels,
    no_labels,
    true_labels,
)
from qsr_jax.evaluation.measure.rois import read_rois
from qsr_jax.files.digest import file_sha256, json_sha256

TRUTH, ATLAS, NONE = "truth", "atlas", "none"
REGIONS = (TRUTH, ATLAS, NONE)
"""What ``--regions`` knows."""

GEOMETRY = "geometry"
"""What ``--atlas`` takes instead of a file: regions of our own geometry, no atlas needed."""

ATLAS_KEYS = ("aal", "aal_names", "jhu", "jhu_names")
TEMPLATE_KEYS = ("csf", "grey", "white")
"""Keys of an atlas page; the second three go together and may be left out."""

ROI_ENDINGS = (".nii.gz", ".nii", ".dcm")


@dataclasses.dataclass(frozen=True)
class AtlasSource:
    """MNI space: its tissues, its regions, and what decides them.

    Attributes:
        template: tissues.
        source: regions.
        said: in words, for the report.
        sha256: of the page and every file it names; "" without files.
    """

    template: AtlasTemplate
    source: RegionSource
    said: str
    sha256: str


Drawn = tuple[np.ndarray, Mapping[int, str]]
"""(z, y, x) numbers of lesions, and number to kind or name."""


@dataclasses.dataclass(frozen=True)
class LabelPlan:
    """What the tables of an evaluation take labels from.

    Attributes:
        regions: one of :data:`REGIONS`.
        atlas: MNI space, or None; on simulated subjects it is compared with the truth.
        rois: name of a subject or of their folder to a file of drawn lesions.
        erode_pixels: how far voxels of tissues and regions lie from their border at least.
    """

    regions: str = TRUTH
    atlas: AtlasSource | None = None
    rois: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    erode_pixels: int = 0

    def parts(self, subject: Subject) -> list[object]:
        """What a subject's labels depend on, as JSON can say it."""
        drawn = self._drawing(subject)
        digest = "" if drawn is None else file_sha256(drawn)
        atlas = None if self.atlas is None else [self.atlas.said, self.atlas.sha256]
        return [self.regions, atlas, digest, self.erode_pixels]

    def of(self, case: Case, subject: Subject) -> tuple[Labels | None, Labels | None]:
        """The labels of one subject for the tables, and those found in the maps, not eroded.

        Returns:
            Either is None where there is none; (None, None) for a subject without truth under
            ``regions="truth"``.

        Raises:
            ValueError: see :func:`qsr_jax.anatomy.label_subject.find_anatomy`; a drawing that does
                not fit.
        """
        anatomy = self._anatomy(case)
        drawing = self._drawing(subject)
        drawn: Drawn | None = None
        said = ""
        if drawing is not None:
            drawn = read_rois(drawing, case.routine.geometry)
            said = f"voxels drawn in {drawing.name}"
        elif case.truth is not None:
            drawn, said = (case.truth.lesions, case.truth.lesion_kinds), "voxels of the true label"
        whole = None
        if anatomy is not None:
            whole = found_labels(anatomy, drawn, erode_pixels=0, lesions_said=said)
            if self.regions == ATLAS:
                pixels = self.erode_pixels
                return found_labels(anatomy, drawn, erode_pixels=pixels, lesions_said=said), whole
        if self.regions == TRUTH and case.truth is not None:
            labels = true_labels(case.truth, erode_pixels=self.erode_pixels)
        else:
            labels = no_labels(case.routine.geometry.shape)
        if drawing is not None and drawn is not None:
            lesions, kinds = drawn
            labels = dataclasses.replace(
                labels, lesions=lesions, lesion_kinds=kinds, lesions_said=said
            )
        return labels, whole

    def at_pose(self, subject: Subject, labels: Labels, there: Case, pose: np.ndarray) -> Labels:
        """Labels as another scan of the subject met the head.

        Args:
            subject: whose.
            labels: from :meth:`of`, for the tables.
            there: the subject in that scan's view, the truth among it where there is one.
            pose: (6,) of the head there.
        """
        moved = moved_labels(labels, there.routine.geometry, pose)
        if there.truth is None:
            return moved
        true = true_labels(there.truth, erode_pixels=self.erode_pixels)
        if self.regions == TRUTH:
            moved = dataclasses.replace(moved, tissue=true.tissue, regions=true.regions)
        if labels.lesion_kinds and self._drawing(subject) is None:
            moved = dataclasses.replace(moved, lesions=true.lesions)
        return moved

    def _anatomy(self, case: Case) -> SubjectLabels | None:
        if self.atlas is None:
            return None
        return find_anatomy(case.routine, template=self.atlas.template, source=self.atlas.source)

    def _drawing(self, subject: Subject) -> Path | None:
        return next((self.rois[name] for name in names_of(subject) if name in self.rois), None)

    def said(self, subjects: Sequence[Subject]) -> str:
        """In words, for the header of the report."""
        words = {
            TRUTH: "the truth of simulated subjects",
            ATLAS: "" if self.atlas is None else self.atlas.said,
            NONE: "none",
        }[self.regions]
        if self.regions == TRUTH and self.atlas is not None:
            words += f"; compared with {self.atlas.said}"
        if self.erode_pixels:
            words += f"; without {self.erode_pixels} pixels at every border"
        drawn = sum(self._drawing(subject) is not None for subject in subjects)
        return f"{words}; drawn lesions of {drawn}" if drawn else words


def names_of(subject: Subject) -> tuple[str, ...]:
    """How a subject's drawing may be called: the pseudonym, or a folder above their series."""
    paths = [PurePosixPath(pair.folders[ROUTINE]) for pair in subject.maps.values()]
    folders = [part for path in paths for part in path.parts]
    return (subject.subject, *dict.fromkeys(folders))


@dataclasses.dataclass(frozen=True)
class LabelOptions:
    """What the user said about labels.

    Attributes:
        regions: one of :data:`REGIONS`; None for the truth where all have it or no atlas is
            given, else the atlas.
        atlas: page of an atlas (TOML), :data:`GEOMETRY`, or None.
        rois: folder of drawn lesions, or None.
        erode_pixels: 0 or more.
    """

    regions: str | None = None
    atlas: str | None = None
    rois: Path | None = None
    erode_pixels: int = 0


def make_plan(options: LabelOptions, subjects: Sequence[Subject]) -> LabelPlan:
    """The plan that was asked for.

    Args:
        options: what the user said.
        subjects: everybody who is measured.

    Raises:
        ValueError: something asked for is missing, or a drawing belongs to nobody.
    """
    regions, atlas = options.regions, options.atlas
    unknown = [subject.subject for subject in subjects if subject.truth is None]
    if regions is None:
        regions = ATLAS if unknown and atlas is not None else TRUTH
    elif regions == TRUTH and unknown:
        raise ValueError(
            f"--regions truth: {len(unknown)} subjects have none, subject {unknown[0]} for one; "
            "choose atlas or none"
        )
    if regions == ATLAS and atlas is None:
        raise ValueError(f"--regions atlas needs --atlas, a page of files or {GEOMETRY!r}")
    source = None
    if atlas is not None and regions != NONE:
        for module in ("dipy", "sklearn"):
            needs_atlas_extra(module)
        source = read_source(atlas)
    drawn = {} if options.rois is None else find_drawings(options.rois, subjects)
    return LabelPlan(regions, source, drawn, options.erode_pixels)


def read_source(atlas: str) -> AtlasSource:
    """MNI space as a page of files says, or by our geometry.

    Raises:
        ValueError: the page or one of its files cannot be used.
    """
    how = "tissues told from T1, T2 and PD, regions by registration (dipy) of"
    if atlas == GEOMETRY:
        template = _mni_template()
        said = f"{how} nilearn's MNI152 and ellipsoids in place of an atlas"
        return AtlasSource(template, GeometricRegions(), said, "")
    page = Path(atlas)
    files = _files_of(page)
    if "csf" in files:
        template = read_template(*(files[key] for key in TEMPLATE_KEYS))
    else:
        template = _mni_template()
    aal, jhu = ((files[name], files[f"{name}_names"]) for name in ("aal", "jhu"))
    atlases, _ = atlas_labeller(aal, jhu)
    digest = json_sha256({key: file_sha256(path) for key, path in files.items()})
    name = "nilearn's MNI152" if "csf" not in files else files["grey"].name
    said = f"{how} {name} with {files['aal'].name} and {files['jhu'].name}"
    return AtlasSource(template, AtlasFiles(atlases), said, digest)


def _mni_template() -> AtlasTemplate:
    """The tissues that nilearn's package carries."""
    # Imported here because nilearn takes seconds to import, and most evaluations do without.
    from qsr_jax.phantom.mni_tissues import mni_tissues

    fractions, affine = mni_tissues()
    return make_atlas_template(*fractions, affine)


def _files_of(page: Path) -> dict[str, Path]:
    """Key to file of an atlas page; its paths start from its own folder."""
    try:
        content = tomllib.loads(page.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{page}: no TOML page ({error})") from None
    wanted = {*ATLAS_KEYS, *(TEMPLATE_KEYS if content.keys() & {*TEMPLATE_KEYS} else ())}
    if content.keys() != wanted or not all(isinstance(v, str) for v in content.values()):
        raise ValueError(
            f"{page}: has {', '.join(sorted(content)) or 'nothing'}; expected the files "
            f"{', '.join(ATLAS_KEYS)}, and all or none of {', '.join(TEMPLATE_KEYS)}"
        )
    return {key: page.parent / value for key, value in content.items()}


def find_drawings(folder: Path, subjects: Sequence[Subject]) -> dict[str, Path]:
    """Name to file of every drawing in a folder.

    Raises:
        ValueError: no folder, an unknown ending, or a file that is named after nobody.
    """
    if not folder.is_dir():
        raise ValueError(f"--rois {folder}: no such folder")
    known = {name for subject in subjects for name in names_of(subject)}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = next((e for e in ROI_ENDINGS if path.name.endswith(e)), None)
        name = path.name.removesuffix(ending or "")
        if ending is None or name not in known or name in found:
            why = "drawn twice" if name in found else "named after nobody who is measured"
            raise ValueError(
                f"{path}: {why if ending else 'not a drawing'}; expected SUBJECT"
                f"{' or SUBJECT'.join(ROI_ENDINGS)}, SUBJECT being a pseudonym of the manifest or "
                "the name of the subject's folder"
            )
        found[name] = path
    return found

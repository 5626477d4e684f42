"""Writes real_dicom.json: what independent readers say about real vendor files. Run by hand.

    pip install SimpleITK dcm2niix highdicom
    QSR_TEST_DATA=DIR python tests/data/real_dicom_maker.py

Nothing of qsr_jax is used. Single-frame files are read by SimpleITK; multi-frame files by highdicom
(SimpleITK takes the first frame's slope for all), stacks of frames by dcm2niix without Philips'
private scaling.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import SimpleITK as sitk

PROBES = 16
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def summary(values: np.ndarray) -> dict:
    """Numbers that a wrong slope, a wrong byte order or a lost slice would change."""
    values = values.astype(np.float64)
    return {
        "size": int(values.size),
        "sum": float(values.sum()),
        "squares": float((values**2).sum()),
        "least": float(values.min()),
        "greatest": float(values.max()),
    }


def probes(values: np.ndarray, affine: np.ndarray) -> list[list[float]]:
    """LPS position (mm) and value at voxels (x, y, z) drawn at random; none of them where 0."""
    rng = np.random.default_rng(0)
    index = np.argwhere(values != 0)
    chosen = index[rng.choice(len(index), PROBES, replace=False)]
    return [[*(affine @ [*at, 1.0])[:3].tolist(), float(values[tuple(at)])] for at in chosen]


def file_entry(path: Path) -> dict | str:
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        return "SimpleITK cannot read it"
    if image.GetSize()[2] == 1:
        return {"reader": "SimpleITK", **summary(sitk.GetArrayFromImage(image))}
    try:
        frames = highdicom.imread(path).get_frames(apply_real_world_transform=False)
    except Exception as error:
        volumes = [np.asarray(volume.dataobj, np.float64) for volume in by_dcm2niix(path)]
        if not volumes:
            return f"highdicom ({type(error).__name__}) and dcm2niix cannot read it"
        values = np.concatenate([volume.ravel() for volume in volumes])
        return {"reader": "dcm2niix", **summary(values)}
    return {"reader": "highdicom", **summary(frames)}


def by_dcm2niix(path: Path) -> list[nibabel.Nifti1Image]:
    """Every volume that dcm2niix makes of one file, with its values in memory."""
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "in"
        one.mkdir()
        (one / "one.dcm").write_bytes(path.read_bytes())
        command = ["dcm2niix", "-o", folder, "-f", "out", "-z", "n", "-p", "n", str(one)]
        subprocess.run(command, check=False, capture_output=True)
        images = [nibabel.load(found) for found in sorted(Path(folder).glob("*.nii"))]
        return [nibabel.Nifti1Image(image.get_fdata(), image.affine) for image in images]


def stack_of_files(paths: list[Path]) -> dict:
    """SimpleITK, slices sorted along the normal by hand."""
    images = [sitk.ReadImage(str(path)) for path in paths]
    direction = np.array(images[0].GetDirection()).reshape(3, 3)
    normal = np.cross(direction[:, 0], direction[:, 1])
    images.sort(key=lambda image: float(np.dot(image.GetOrigin(), normal)))
    first, second = (np.array(image.GetOrigin()) for image in images[:2])
    dx, dy, _ = images[0].GetSpacing()
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = direction[:, 0] * dx, direction[:, 1] * dy
    affine[:3, 2], affine[:3, 3] = second - first, first
    slices = [sitk.GetArrayFromImage(image)[0].T for image in images]
    values = np.stack(slices, axis=-1).astype(np.float64)
    return {"reader": "SimpleITK", **summary(values), "probes": probes(values, affine)}


def stack_of_frames(path: Path) -> dict | str:
    found = by_dcm2niix(path)
    if len(found) != 1:
        return f"dcm2niix makes {len(found)} volumes"
    values = np.asarray(found[0].dataobj)
    if values.ndim != 3 or values.shape[2] < 2:
        return f"dcm2niix makes a volume of shape {list(values.shape)}"
    affine = FLIP @ found[0].affine
    return {"reader": "dcm2niix", **summary(values), "probes": probes(values, affine)}


def main() -> None:
    root = Path(os.environ["QSR_TEST_DATA"]) / "dicom"
    files, stacks = {}, {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        files[path.relative_to(root).as_posix()] = file_entry(path)
    for folder in sorted({root / Path(name).parent for name in files}):
        name = folder.relative_to(root).as_posix()
        paths = sorted(p for p in folder.iterdir() if p.is_file())
        try:
            shapes = [sitk.ReadImage(str(path)).GetSize() for path in paths]
        except RuntimeError:
            stacks[name] = "SimpleITK cannot read every file"
            continue
        if len(paths) == 1 and shapes[0][2] > 1:
            stacks[name] = stack_of_frames(paths[0])
        elif len(set(shapes)) == 1 and len(paths) > 1:
            stacks[name] = stack_of_files(paths)
        else:
            stacks[name] = "not a stack"
    version = subprocess.run(["dcm2niix", "-v"], check=False, capture_output=True, text=True)
    maker = {
        "SimpleITK": sitk.Version.VersionString(),
        "highdicom": highdicom.__version__,
        "dcm2niix": version.stdout.strip().splitlines()[-1],
    }
    out = Path(__file__).with_name("real_dicom.json")
    rows = [
        f' "{kind}": {{\n'
        + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in table.items())
        + "\n }"
        for kind, table in (("files", files), ("stacks", stacks))
    ]
    out.write_text("{\n" + f' "made_with": {json.dumps(maker)},\n' + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()

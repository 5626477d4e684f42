"""tfds's own test of the builder, on made-up scans: ``python -m pytest data_tools/qmri_pairs``.

It needs TensorFlow, which the house does not: ``pip install tensorflow-cpu`` in an environment of
its own. What the house promises without TensorFlow is tested in ``tests/data/test_records.py``.
"""

import contextlib
import io
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="pip install tensorflow-cpu brings what tfds's test needs")

import tensorflow_datasets as tfds

from data_tools import pair_studies
from data_tools.qmri_pairs import qmri_pairs_dataset_builder
from launch.bench.material import write_scan
from qsr_jax.maps import MAPS


class QmriPairsTest(tfds.testing.DatasetBuilderTestCase):
    """Builds, reads and registers every map from two subjects' scans."""

    DATASET_CLASS = qmri_pairs_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = list(MAPS)
    SPLITS = {"train": 24, "test": 24}
    SKIP_TF1_GRAPH_MODE = True
    SKIP_CHECKSUMS = True

    @classmethod
    def setUpClass(cls) -> None:
        """Writes the scans and their manifest, which tfds takes for the manual download."""
        folder = Path(tempfile.mkdtemp(prefix="qmri_pairs"))
        for subject in ("one", "two"):
            for name in MAPS:
                for side in ("fast", "routine"):
                    write_scan(folder / "dicom" / subject / f"{side}_{name}", name, side, subject)
        flags = ["--dicom", str(folder / "dicom"), "--test-fraction", "0", "--test", "one"]
        with contextlib.redirect_stdout(io.StringIO()):
            pair_studies.main([*flags, "--out", str(folder / "manifest.json")])
        cls.EXAMPLE_DIR = cls.dummy_data = folder
        super().setUpClass()

    def _assertAsDataset(self, builder: tfds.core.DatasetBuilder) -> None:  # noqa: N802
        """Array records are read as a data source; tfds has no tf.data of them."""
        for split, length in self.SPLITS.items():
            source = builder.as_data_source(split)
            assert len(source) == length
            record = source[length - 1]
            assert set(record) == set(builder.info.features)
            assert record["hr"].shape == (512, 512, 1)


if __name__ == "__main__":
    tfds.testing.test_main()

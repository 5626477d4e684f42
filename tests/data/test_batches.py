"""Order is a pure function of (seed, step); a run started anywhere sees what a whole run sees."""

import itertools

import numpy as np
import pytest

from qsr_jax.data.records.batches import batch_ids, batches, in_order, load_batch
from qsr_jax.data.records.open import open_records


class Numbers:
    """Records whose images hold their own index."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        one = np.full((2, 2, 1), index, np.uint16)
        return {"lr": one, "hr": np.full((4, 4, 1), index, np.uint16), "mask": one.astype(np.uint8)}


def take(records, count, **options):
    return list(itertools.islice(batches(records, **options), count))


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_records_of_other_channels_do_not_fill_a_batch():
    """One channel would be repeated three times over in silence."""

    class Mixed(Numbers):
        def __getitem__(self, index):
            record = super().__getitem__(index)
            return record | ({"lr": record["lr"].repeat(3, -1)} if index == 1 else {})

    with pytest.raises(ValueError, match=r"lr of record 2 has shape \(2, 2, 1\), of record 1"):
        load_batch(Mixed(3), np.array([1, 2]))
    with pytest.raises(ValueError, match=r"lr of record 1 has shape \(2, 2, 3\), of record 0"):
        load_batch(Mixed(3), np.array([0, 1]))


@pytest.mark.parametrize("threads", [1, 3])
def test_started_at_k_equals_started_at_zero(threads):
    """At every k of three epochs, for a length that no batch divides."""
    records, per_epoch = Numbers(23), 23 // 4
    options = {"batch_size": 4, "seed": 7, "num_threads": threads}
    whole = take(records, 3 * per_epoch, start_step=0, **options)
    for k in range(3 * per_epoch):
        rest = take(records, 3 * per_epoch - k, start_step=k, **options)
        assert all(map(equal, rest, whole[k:]))


@pytest.mark.parametrize(("length", "batch_size"), [(23, 4), (24, 4), (5, 5), (9, 8)])
def test_an_epoch_visits_every_record_at_most_once(length, batch_size):
    per_epoch = length // batch_size
    orders = []
    for epoch in range(3):
        steps = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        ids = [batch_ids(length, batch_size=batch_size, seed=0, step=s) for s in steps]
        seen = np.concatenate(ids)
        assert len(set(seen.tolist())) == per_epoch * batch_size
        assert seen.min() >= 0
        assert seen.max() < length
        orders.append(seen.tolist())
    assert orders[0] != orders[1] != orders[2]


def test_seed_changes_the_order():
    first, second = (batch_ids(100, batch_size=8, seed=s, step=0) for s in (0, 1))
    assert first.tolist() != second.tolist()


def test_images_belong_to_their_ids():
    for batch in take(Numbers(23), 12, batch_size=4, seed=0, start_step=0):
        assert batch["sample_id"].dtype == np.int32
        for key in ("lr", "hr", "mask"):
            assert (batch[key].reshape(4, -1) == batch["sample_id"][:, None]).all()


def test_in_order_gives_everything_once():
    sizes = [b["sample_id"].tolist() for b in in_order(Numbers(10), batch_size=4)]
    assert sizes == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_too_few_records_are_an_error():
    with pytest.raises(ValueError, match="3 records fill no batch of 4"):
        batches(Numbers(3), batch_size=4, seed=0, start_step=0)


def test_real_records_come_in_their_types(data_dir):
    records = open_records(data_dir, "t2", "train")
    (batch,) = take(records, 1, batch_size=4, seed=0, start_step=1)
    shapes = {key: (value.shape, value.dtype.name) for key, value in batch.items()}
    assert shapes == {
        "lr": ((4, 32, 32, 1), "uint16"),
        "hr": ((4, 64, 64, 1), "uint16"),
        "mask": ((4, 64, 64, 1), "uint8"),
        "sample_id": ((4,), "int32"),
    }
    assert equal(batch, load_batch(records, batch["sample_id"]))

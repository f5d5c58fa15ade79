"""What the benchmark counts as carried, early, beyond and worth, on three blocks."""

from pathlib import Path

import pytest

from tests.fakes import FakePredictor, block_volume

ROOM = Path(__file__).resolve().parents[2] / "benchmarks/accuracy"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOM))
    import propagation

    return propagation


@pytest.fixture
def liver(benchmark):
    volume = block_volume((24, 20, 16))
    mask = volume.voxels == 60
    mask[:, :, 12:] = False  # the image goes on with it
    return benchmark.Structure("blocks", "one", "liver", volume, mask)


def test_slices_beyond_an_object_s_end_are_carried_and_cost(benchmark, liver):
    result = benchmark.follow(liver, FakePredictor())
    carried = result.carried(benchmark.ALL)
    assert (liver.middle, result.count, result.alike) == (6, 10, 1.0)
    assert [s.true for s in carried].count(True) == 10
    assert [s.true for s in carried].count(False) == 3
    assert result.worth(benchmark.ALL) == pytest.approx((10 * 0.5 - 3 * 0.5) / 10)
    assert (result.copied, result.interpolated) == (1.0, 1.0)


def test_a_way_is_stopped_at_the_object_s_end_and_at_its_farthest(benchmark, liver):
    for name, way in benchmark.WAYS.items():
        result = benchmark.follow(liver, FakePredictor(), way, far=4)
        assert len(result.true) == 8, name
        assert [len(d) for d in result.directions] == [4, 4], name


def test_the_tables_are_printed(benchmark, liver, capsys):
    results = [benchmark.follow(liver, FakePredictor())]
    for table in (benchmark.each, benchmark.stopping, benchmark.to_the_end, benchmark.leaving_out):
        table(results)
    benchmark.comparing([liver], FakePredictor())
    told = capsys.readouterr().out
    assert "one | liver | 1.00 | 10 | 13 | 1.00 | 1.00 | 0 | 3 | +0.35" in told
    assert f"{benchmark.OWN} | 1.000" in told

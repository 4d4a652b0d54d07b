"""Looking numbers up: the right row, its interval, and a message where there is none."""

from pathlib import Path

import pytest

from minillm.results import Metrics, Number

HEADER = "metric,value,unit,model,corpus,split,seed,low,high,interval,n,better,source\n"


def table(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def test_a_number_with_and_without_interval(tmp_path: Path) -> None:
    metrics = Metrics(
        table(
            tmp_path / "metrics.csv",
            'bits,1.25,bits/byte,small,es,test,1,1.0,1.5,"95 %, bootstrap",40,lower,a.json',
            "parameters,1000,parameters,small,es,,1,,,,,neither,b.json",
            "zero,0.0,,small,es,,1,0.0,0.0,exact,0,neither,b.json",
        )
    )
    assert metrics.get("bits", "small", "test") == Number(1.25, "bits/byte", 1.0, 1.5, "95 %, bootstrap", 40)
    assert metrics.get("parameters", "small") == Number(1000.0, "parameters", None, None, "", None)
    assert metrics.get("zero", "small") == Number(0.0, "", 0.0, 0.0, "exact", 0)  # 0 is a bound, not a gap


def test_a_missing_number_is_named(tmp_path: Path) -> None:
    path = table(tmp_path / "metrics.csv", "bits,1.25,b,small,es,test,1,,,,,lower,a.json")
    metrics = Metrics(path)
    assert metrics.has("bits", "small", "test")
    for key in (
        ("bits", "small", "train"),
        ("bits", "small", ""),
        ("bits", "large", "test"),
        ("loss", "small", "test"),
    ):
        assert not metrics.has(*key)
        with pytest.raises(ValueError, match=f"metrics.csv has no {key[0]} of {key[1]} on the split '{key[2]}'"):
            metrics.get(*key)


def test_means_over_seeds_stand_for_the_seeds(tmp_path: Path) -> None:
    """In whatever order the rows come; a model without several seeds keeps its own numbers."""
    rows = [
        "bits,1.0,b,small,es,test,1,,,,,lower,a.json",
        "bits,2.0,b,small,es,test,all,1.1,2.9,t,2,lower,mean over seeds",
        "bits,3.0,b,small,es,test,2,,,,,lower,b.json",
        "bits,9.0,b,large,es,test,1,,,,,lower,c.json",
        "order,4.0,,small,es,test,,,,,,lower,d.json",
    ]
    for order in (rows, rows[::-1]):
        metrics = Metrics(table(tmp_path / "metrics.csv", *order))
        assert metrics.get("bits", "small", "test") == Number(2.0, "b", 1.1, 2.9, "t", 2)
        assert metrics.get("bits", "large", "test").value == 9.0
        assert metrics.get("order", "small", "test").value == 4.0  # not trained, so without a seed


def test_each_seed_and_their_mean(tmp_path: Path) -> None:
    """With its own interval each, of this metric, model and split alone; of a single seed there is no mean."""
    rows = [
        "bits,1.0,b,small,es,test,1,0.9,1.1,a,40,lower,a.json",
        "bits,2.0,b,small,es,test,all,1.5,2.5,t,40,lower,mean over seeds",
        "bits,3.0,b,small,es,test,2,2.9,3.1,a,40,lower,b.json",
        "bits,7.0,b,small,es,train,1,,,,,lower,a.json",
        "loss,8.0,b,small,es,test,1,,,,,lower,a.json",
        "bits,9.0,b,large,es,test,1,,,,,lower,c.json",
        "bits,4.0,b,xz,es,test,,,,,,lower,d.json",
    ]
    expected = [
        Number(1.0, "b", 0.9, 1.1, "a", 40),
        Number(2.0, "b", 1.5, 2.5, "t", 40),
        Number(3.0, "b", 2.9, 3.1, "a", 40),
    ]
    for order in (rows, rows[::-1]):
        metrics = Metrics(table(tmp_path / "metrics.csv", *order))
        assert sorted(metrics.each("bits", "small", "test"), key=lambda number: number.value) == expected
        assert metrics.each("bits", "large", "test") == [metrics.get("bits", "large", "test")]
        assert [number.value for number in metrics.each("bits", "xz", "test")] == [4.0]
        assert metrics.each("bits", "small") == metrics.each("bits", "nobody", "test") == []


def test_several_tables_are_one(tmp_path: Path) -> None:
    metrics = Metrics(
        table(tmp_path / "metrics.csv", "bits,1.0,b,small,es,test,1,,,,,lower,a"),
        table(tmp_path / "cost.csv", "memory,5.0,MB,small,es,,1,,,,,lower,b"),
    )
    assert (metrics.get("bits", "small", "test").value, metrics.get("memory", "small").value) == (1.0, 5.0)
    with pytest.raises(ValueError, match=r"metrics\.csv and .*cost\.csv has no x of small"):
        metrics.get("x", "small")


def test_models_with_a_number_are_sorted(tmp_path: Path) -> None:
    metrics = Metrics(
        table(
            tmp_path / "metrics.csv",
            "bits,1,b,zeta,es,test,1,,,,,lower,a",
            "bits,1,b,alfa,es,test,1,,,,,lower,a",
            "bits,1,b,beta,es,train,1,,,,,lower,a",
            "loss,1,b,gama,es,test,1,,,,,lower,a",
        )
    )
    assert metrics.models("bits", "test") == ["alfa", "zeta"]
    assert metrics.models("bits") == []

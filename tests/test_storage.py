"""One name loads every kind of saved model; without torch, a network's error is the pip line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from matweave.artifact import save
from matweave.data.interactions import Interactions
from matweave.data.relations import Relations
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.errors import ArtifactError
from matweave.factor.forms import ItemModel
from matweave.factor.popularity import Popularity
from matweave.factor.relation_forms import RelationModel
from matweave.factor.rescal import RESCAL
from matweave.nets.model import NetModel
from matweave.nets.network import Network
from matweave.neural.forms import EncoderModel
from matweave.neural.sas_rec import SASRec
from matweave.storage import holds_net, holds_relations, load, load_recommender, load_relations
from matweave.train.history import Epoch

TABLE = Table(features=pa.table({"x": np.arange(8.0)}), targets=Targets.of_labels("abababab"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network in "net", a recommender in "rec", one that is a network in "neural", and relations in "ties"."""
    at = tmp_path_factory.mktemp("saved")
    Network(net="linear", epochs=1).fit(TABLE).save(at / "net")
    log = Interactions.from_codes([0, 0, 1], [0, 1, 0], times=[1, 2, 3])
    Popularity().fit(log).save(at / "rec")
    SASRec(rank=2, length=3, epochs=1, device="cpu").fit(log).save(at / "neural")
    RESCAL(rank=1, epochs=2).fit(Relations.of(heads=["a"], tails=["b"])).save(at / "ties")
    return at


def test_every_kind_is_loaded_by_one_name(folders: Path) -> None:
    net, rec = load(folders / "net"), load(str(folders / "rec"))
    assert isinstance(net, NetModel)
    assert isinstance(rec, ItemModel)
    assert net.predict(TABLE).shape == (8,)
    assert (holds_net(folders / "net"), holds_net(folders / "rec")) == (True, False)


def test_a_recommender_that_is_a_network_is_a_recommender(folders: Path) -> None:
    assert not holds_net(folders / "neural")
    model = load_recommender(folders / "neural")
    assert isinstance(model, EncoderModel)
    assert isinstance(load(folders / "neural"), EncoderModel)
    assert len(model.recommend_for([1, 0], k=2, seen=True)) == 2


def test_a_recommender_is_not_looked_for_in_a_network(folders: Path) -> None:
    with pytest.raises(ArtifactError, match="holds a network, not a recommender") as error:
        load_recommender(folders / "net")
    assert "matweave predict" in error.value.mend


def test_other_things_and_nothing_are_refused(tmp_path: Path) -> None:
    save(Epoch(epoch=1, step=1, loss=0.0, learning_rate=0.1, seconds=0.0), tmp_path / "epoch")
    with pytest.raises(ArtifactError, match="holds a Epoch, which is not expected here"):
        load(tmp_path / "epoch")
    with pytest.raises(ArtifactError, match="no saved model"):
        load(tmp_path / "nothing")
    with pytest.raises(ArtifactError, match="no saved model"):
        holds_net(tmp_path)


def test_a_changed_card_is_refused_before_anything_is_told_of_it(folders: Path, tmp_path: Path) -> None:
    text = (folders / "net" / "model.json").read_text(encoding="utf8")
    (tmp_path / "model.json").write_text(text.replace('"NetModel"', '"ItemModel"'), encoding="utf8")
    with pytest.raises(ArtifactError, match="edited or damaged"):
        holds_net(tmp_path)


@pytest.mark.parametrize("folder", ["net", "neural"])
def test_without_torch_the_pip_line_is_told_and_recommenders_load(folders: Path, folder: str) -> None:
    script = """if True:
        import sys
        sys.modules["torch"] = None
        import matweave as mw
        from matweave.storage import holds_net
        print(type(mw.load("rec")).__name__, holds_net("net"))
        mw.load(sys.argv[1])
    """
    done = subprocess.run(
        [sys.executable, "-c", script, folder],
        cwd=folders,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.split() == ["ItemModel", "True"], done.stderr
    assert done.returncode == 1
    assert "MissingExtra" in done.stderr
    assert "pip install 'matweave[deep]'" in done.stderr


def test_relations_are_loaded_by_the_same_name_and_are_no_recommender(folders: Path) -> None:
    assert [holds_relations(folders / name) for name in ("ties", "rec", "net")] == [True, False, False]
    assert isinstance(load(folders / "ties"), RelationModel)
    with pytest.raises(ArtifactError, match="holds a model of relations, not a recommender") as error:
        load_recommender(folders / "ties")
    assert "matweave relations" in error.value.mend
    with pytest.raises(ArtifactError, match="holds a ItemModel, not a model of relations"):
        load_relations(folders / "rec")

"""matweave: matrix factorization and deep learning woven into one.

    import matweave as mw

    log   = mw.read_interactions("ratings.csv")
    split = mw.split_by_time(log, test=0.1)
    model = mw.ImplicitALS(rank=64).fit(split.train)
    print(mw.evaluate(model, split.test, k=10))

    images = mw.read_images("digits/")                                     # networks: extra `deep`
    net    = mw.Network(net="small_cnn", augment="shift,rotate").fit(images)

Every public name is listed below with the room it comes from, and is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matweave.data.csr import Csr as Csr
    from matweave.data.given import read_negatives as read_negatives
    from matweave.data.holdout import hold_out as hold_out
    from matweave.data.images import Images as Images
    from matweave.data.interactions import Interactions as Interactions
    from matweave.data.read import read_interactions as read_interactions
    from matweave.data.read_images import read_images as read_images
    from matweave.data.read_sequences import read_sequences as read_sequences
    from matweave.data.read_table import read_table as read_table
    from matweave.data.sequences import Sequences as Sequences
    from matweave.data.simulate import simulate_log as simulate_log
    from matweave.data.split import Split as Split
    from matweave.data.split import split_by_time as split_by_time
    from matweave.data.split import split_by_user as split_by_user
    from matweave.data.split import split_given as split_given
    from matweave.data.split import split_leave_last_out as split_leave_last_out
    from matweave.data.split import split_randomly as split_randomly
    from matweave.data.tables import Table as Table
    from matweave.data.vocabulary import Vocabulary as Vocabulary
    from matweave.errors import MatweaveError as MatweaveError
    from matweave.evaluation.comparison import compare as compare
    from matweave.evaluation.evaluate import evaluate as evaluate
    from matweave.evaluation.evaluate import validation as validation
    from matweave.evaluation.predictions import judge_classes as judge_classes
    from matweave.evaluation.predictions import judge_values as judge_values
    from matweave.evaluation.sampled_protocol import draw_candidates as draw_candidates
    from matweave.factor.biased_mf import BiasedMF as BiasedMF
    from matweave.factor.ease import EASE as EASE
    from matweave.factor.explicit_als import ExplicitALS as ExplicitALS
    from matweave.factor.forms import FactorModel as FactorModel
    from matweave.factor.forms import ItemModel as ItemModel
    from matweave.factor.forms import Recommender as Recommender
    from matweave.factor.implicit_als import ImplicitALS as ImplicitALS
    from matweave.factor.item_knn import ItemKNN as ItemKNN
    from matweave.factor.popularity import Popularity as Popularity
    from matweave.factor.pure_svd import PureSVD as PureSVD
    from matweave.nets.model import NetModel as NetModel
    from matweave.nets.network import Network as Network
    from matweave.storage import load as load
    from matweave.threads import set_threads as set_threads

_ROOMS = {
    "BiasedMF": "factor.biased_mf",
    "Csr": "data.csr",
    "EASE": "factor.ease",
    "ExplicitALS": "factor.explicit_als",
    "FactorModel": "factor.forms",
    "Images": "data.images",
    "ImplicitALS": "factor.implicit_als",
    "Interactions": "data.interactions",
    "ItemKNN": "factor.item_knn",
    "ItemModel": "factor.forms",
    "MatweaveError": "errors",
    "NetModel": "nets.model",
    "Network": "nets.network",
    "Popularity": "factor.popularity",
    "PureSVD": "factor.pure_svd",
    "Recommender": "factor.forms",
    "Sequences": "data.sequences",
    "Split": "data.split",
    "Table": "data.tables",
    "Vocabulary": "data.vocabulary",
    "compare": "evaluation.comparison",
    "draw_candidates": "evaluation.sampled_protocol",
    "evaluate": "evaluation.evaluate",
    "hold_out": "data.holdout",
    "judge_classes": "evaluation.predictions",
    "judge_values": "evaluation.predictions",
    "load": "storage",
    "read_images": "data.read_images",
    "read_interactions": "data.read",
    "read_negatives": "data.given",
    "read_sequences": "data.read_sequences",
    "read_table": "data.read_table",
    "set_threads": "threads",
    "simulate_log": "data.simulate",
    "split_by_time": "data.split",
    "split_by_user": "data.split",
    "split_given": "data.split",
    "split_leave_last_out": "data.split",
    "split_randomly": "data.split",
    "validation": "evaluation.evaluate",
}

__all__ = [
    "EASE",
    "BiasedMF",
    "Csr",
    "ExplicitALS",
    "FactorModel",
    "Images",
    "ImplicitALS",
    "Interactions",
    "ItemKNN",
    "ItemModel",
    "MatweaveError",
    "NetModel",
    "Network",
    "Popularity",
    "PureSVD",
    "Recommender",
    "Sequences",
    "Split",
    "Table",
    "Vocabulary",
    "compare",
    "draw_candidates",
    "evaluate",
    "hold_out",
    "judge_classes",
    "judge_values",
    "load",
    "read_images",
    "read_interactions",
    "read_negatives",
    "read_sequences",
    "read_table",
    "set_threads",
    "simulate_log",
    "split_by_time",
    "split_by_user",
    "split_given",
    "split_leave_last_out",
    "split_randomly",
    "validation",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'matweave' has no attribute {name!r}")
    value = getattr(import_module(f"matweave.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})

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
    from matweave.data.item_content import ItemContent as ItemContent
    from matweave.data.read import read_interactions as read_interactions
    from matweave.data.read_content import read_content as read_content
    from matweave.data.read_images import read_images as read_images
    from matweave.data.read_relations import read_relations as read_relations
    from matweave.data.read_sequences import read_sequences as read_sequences
    from matweave.data.read_table import read_table as read_table
    from matweave.data.relations import Relations as Relations
    from matweave.data.sequences import Sequences as Sequences
    from matweave.data.simulate import simulate_log as simulate_log
    from matweave.data.split import Split as Split
    from matweave.data.split import split_by_time as split_by_time
    from matweave.data.split import split_by_user as split_by_user
    from matweave.data.split import split_given as split_given
    from matweave.data.split import split_leave_last_out as split_leave_last_out
    from matweave.data.split import split_randomly as split_randomly
    from matweave.data.split_cold import split_cold_items as split_cold_items
    from matweave.data.split_relations import fold_cells as fold_cells
    from matweave.data.split_relations import split_relations as split_relations
    from matweave.data.tables import Table as Table
    from matweave.data.vocabulary import Vocabulary as Vocabulary
    from matweave.errors import MatweaveError as MatweaveError
    from matweave.evaluation.blending import blend as blend
    from matweave.evaluation.comparison import compare as compare
    from matweave.evaluation.evaluate import evaluate as evaluate
    from matweave.evaluation.evaluate import validation as validation
    from matweave.evaluation.predictions import judge_classes as judge_classes
    from matweave.evaluation.predictions import judge_values as judge_values
    from matweave.evaluation.relation_cells import cross_validate_cells as cross_validate_cells
    from matweave.evaluation.relation_cells import evaluate_cells as evaluate_cells
    from matweave.evaluation.relations import RelationEvaluation as RelationEvaluation
    from matweave.evaluation.relations import evaluate_relations as evaluate_relations
    from matweave.evaluation.relations import relation_validation as relation_validation
    from matweave.evaluation.sampled_protocol import draw_candidates as draw_candidates
    from matweave.factor.bayesian_mf import BayesianMF as BayesianMF
    from matweave.factor.biased_mf import BiasedMF as BiasedMF
    from matweave.factor.blend import Blend as Blend
    from matweave.factor.bpr import BPR as BPR
    from matweave.factor.co_purchases import co_purchases as co_purchases
    from matweave.factor.compl_ex import ComplEx as ComplEx
    from matweave.factor.dedicom import DEDICOM as DEDICOM
    from matweave.factor.ease import EASE as EASE
    from matweave.factor.explicit_als import ExplicitALS as ExplicitALS
    from matweave.factor.factorization_machine import FactorizationMachine as FactorizationMachine
    from matweave.factor.forms import FactorModel as FactorModel
    from matweave.factor.forms import ItemModel as ItemModel
    from matweave.factor.implicit_als import ImplicitALS as ImplicitALS
    from matweave.factor.item_knn import ItemKNN as ItemKNN
    from matweave.factor.logistic_mf import LogisticMF as LogisticMF
    from matweave.factor.nmf import NMF as NMF
    from matweave.factor.popularity import Popularity as Popularity
    from matweave.factor.probabilistic_mf import ProbabilisticMF as ProbabilisticMF
    from matweave.factor.pure_svd import PureSVD as PureSVD
    from matweave.factor.recommender import Recommender as Recommender
    from matweave.factor.relation_forms import RelationModel as RelationModel
    from matweave.factor.rescal import RESCAL as RESCAL
    from matweave.factor.rp3beta import RP3beta as RP3beta
    from matweave.factor.slim import SLIM as SLIM
    from matweave.factor.svdpp import SVDpp as SVDpp
    from matweave.factor.symmetric_nmf import SymmetricNMF as SymmetricNMF
    from matweave.factor.tri_factorization import TriFactorization as TriFactorization
    from matweave.factor.warp import WARP as WARP
    from matweave.nets.model import NetModel as NetModel
    from matweave.nets.network import Network as Network
    from matweave.neural.auto_rec import AutoRec as AutoRec
    from matweave.neural.bert4_rec import BERT4Rec as BERT4Rec
    from matweave.neural.caser import Caser as Caser
    from matweave.neural.content_factors import ContentFactors as ContentFactors
    from matweave.neural.deep_mf import DeepMF as DeepMF
    from matweave.neural.dot_product import DotProduct as DotProduct
    from matweave.neural.gmf import GMF as GMF
    from matweave.neural.gru4_rec import GRU4Rec as GRU4Rec
    from matweave.neural.light_gcn import LightGCN as LightGCN
    from matweave.neural.mult_dae import MultDAE as MultDAE
    from matweave.neural.mult_vae import MultVAE as MultVAE
    from matweave.neural.neu_mf import NeuMF as NeuMF
    from matweave.neural.rec_vae import RecVAE as RecVAE
    from matweave.neural.sas_rec import SASRec as SASRec
    from matweave.neural.two_tower import TwoTower as TwoTower
    from matweave.storage import load as load
    from matweave.threads import set_threads as set_threads

_ROOMS = {
    "AutoRec": "neural.auto_rec",
    "BERT4Rec": "neural.bert4_rec",
    "BPR": "factor.bpr",
    "BayesianMF": "factor.bayesian_mf",
    "BiasedMF": "factor.biased_mf",
    "Blend": "factor.blend",
    "Caser": "neural.caser",
    "ComplEx": "factor.compl_ex",
    "ContentFactors": "neural.content_factors",
    "Csr": "data.csr",
    "DEDICOM": "factor.dedicom",
    "DeepMF": "neural.deep_mf",
    "DotProduct": "neural.dot_product",
    "EASE": "factor.ease",
    "ExplicitALS": "factor.explicit_als",
    "FactorModel": "factor.forms",
    "FactorizationMachine": "factor.factorization_machine",
    "GMF": "neural.gmf",
    "GRU4Rec": "neural.gru4_rec",
    "Images": "data.images",
    "ImplicitALS": "factor.implicit_als",
    "Interactions": "data.interactions",
    "ItemContent": "data.item_content",
    "ItemKNN": "factor.item_knn",
    "ItemModel": "factor.forms",
    "LightGCN": "neural.light_gcn",
    "LogisticMF": "factor.logistic_mf",
    "MatweaveError": "errors",
    "MultDAE": "neural.mult_dae",
    "MultVAE": "neural.mult_vae",
    "NMF": "factor.nmf",
    "NetModel": "nets.model",
    "Network": "nets.network",
    "NeuMF": "neural.neu_mf",
    "Popularity": "factor.popularity",
    "ProbabilisticMF": "factor.probabilistic_mf",
    "PureSVD": "factor.pure_svd",
    "RESCAL": "factor.rescal",
    "RP3beta": "factor.rp3beta",
    "RecVAE": "neural.rec_vae",
    "Recommender": "factor.recommender",
    "RelationEvaluation": "evaluation.relations",
    "RelationModel": "factor.relation_forms",
    "Relations": "data.relations",
    "SASRec": "neural.sas_rec",
    "SLIM": "factor.slim",
    "SVDpp": "factor.svdpp",
    "Sequences": "data.sequences",
    "Split": "data.split",
    "SymmetricNMF": "factor.symmetric_nmf",
    "Table": "data.tables",
    "TriFactorization": "factor.tri_factorization",
    "TwoTower": "neural.two_tower",
    "Vocabulary": "data.vocabulary",
    "WARP": "factor.warp",
    "blend": "evaluation.blending",
    "co_purchases": "factor.co_purchases",
    "compare": "evaluation.comparison",
    "cross_validate_cells": "evaluation.relation_cells",
    "draw_candidates": "evaluation.sampled_protocol",
    "evaluate": "evaluation.evaluate",
    "evaluate_cells": "evaluation.relation_cells",
    "evaluate_relations": "evaluation.relations",
    "fold_cells": "data.split_relations",
    "hold_out": "data.holdout",
    "judge_classes": "evaluation.predictions",
    "judge_values": "evaluation.predictions",
    "load": "storage",
    "read_content": "data.read_content",
    "read_images": "data.read_images",
    "read_interactions": "data.read",
    "read_negatives": "data.given",
    "read_relations": "data.read_relations",
    "read_sequences": "data.read_sequences",
    "read_table": "data.read_table",
    "relation_validation": "evaluation.relations",
    "set_threads": "threads",
    "simulate_log": "data.simulate",
    "split_by_time": "data.split",
    "split_by_user": "data.split",
    "split_cold_items": "data.split_cold",
    "split_given": "data.split",
    "split_leave_last_out": "data.split",
    "split_randomly": "data.split",
    "split_relations": "data.split_relations",
    "validation": "evaluation.evaluate",
}

__all__ = [
    "BPR",
    "DEDICOM",
    "EASE",
    "GMF",
    "NMF",
    "RESCAL",
    "SLIM",
    "WARP",
    "AutoRec",
    "BERT4Rec",
    "BayesianMF",
    "BiasedMF",
    "Blend",
    "Caser",
    "ComplEx",
    "ContentFactors",
    "Csr",
    "DeepMF",
    "DotProduct",
    "ExplicitALS",
    "FactorModel",
    "FactorizationMachine",
    "GRU4Rec",
    "Images",
    "ImplicitALS",
    "Interactions",
    "ItemContent",
    "ItemKNN",
    "ItemModel",
    "LightGCN",
    "LogisticMF",
    "MatweaveError",
    "MultDAE",
    "MultVAE",
    "NetModel",
    "Network",
    "NeuMF",
    "Popularity",
    "ProbabilisticMF",
    "PureSVD",
    "RP3beta",
    "RecVAE",
    "Recommender",
    "RelationEvaluation",
    "RelationModel",
    "Relations",
    "SASRec",
    "SVDpp",
    "Sequences",
    "Split",
    "SymmetricNMF",
    "Table",
    "TriFactorization",
    "TwoTower",
    "Vocabulary",
    "blend",
    "co_purchases",
    "compare",
    "cross_validate_cells",
    "draw_candidates",
    "evaluate",
    "evaluate_cells",
    "evaluate_relations",
    "fold_cells",
    "hold_out",
    "judge_classes",
    "judge_values",
    "load",
    "read_content",
    "read_images",
    "read_interactions",
    "read_negatives",
    "read_relations",
    "read_sequences",
    "read_table",
    "relation_validation",
    "set_threads",
    "simulate_log",
    "split_by_time",
    "split_by_user",
    "split_cold_items",
    "split_given",
    "split_leave_last_out",
    "split_randomly",
    "split_relations",
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

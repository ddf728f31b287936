"""The one table of what a saved neural recommender may hold, beside the forms of `factor`."""

from __future__ import annotations

from matweave.factor.storage import FORMS as FACTOR_FORMS
from matweave.neural.auto_rec_net import AutoRecStructure
from matweave.neural.bert4_rec import BERT4RecStructure
from matweave.neural.caser import CaserStructure
from matweave.neural.deep_mf import DeepMFStructure
from matweave.neural.forms import EncoderModel
from matweave.neural.gru4_rec import GRU4RecStructure
from matweave.neural.mult_dae import MultDAEStructure
from matweave.neural.mult_vae import MultVAEStructure
from matweave.neural.neu_mf import NeuMFStructure
from matweave.neural.pair_model import PairModel
from matweave.neural.rec_vae_net import RecVAEStructure
from matweave.neural.sas_rec import SASRecStructure
from matweave.neural.two_tower import TwoTowerStructure

# fmt: off
NEURAL = (
    AutoRecStructure,
    BERT4RecStructure,
    CaserStructure,
    DeepMFStructure,
    EncoderModel,
    GRU4RecStructure,
    MultDAEStructure,
    MultVAEStructure,
    NeuMFStructure,
    PairModel,
    RecVAEStructure,
    SASRecStructure,
    TwoTowerStructure,
)
# fmt: on

FORMS: dict[str, type] = {**FACTOR_FORMS, **{form.__name__: form for form in NEURAL}}
"""By name; `matweave.load` rebuilds a model from it."""

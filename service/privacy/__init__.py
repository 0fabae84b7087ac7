"""A person's rights over what is kept of them: see it, have it erased. High in the layers on purpose: it touches every table."""

from service.privacy.erasing import ErasureState, erase, finish_erasures
from service.privacy.retention import keep_retention
from service.privacy.strangers import forget_strangers
from service.privacy.subject_data import subject_data

__all__ = ["ErasureState", "erase", "finish_erasures", "forget_strangers", "keep_retention", "subject_data"]

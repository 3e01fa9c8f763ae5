"""What metrics are called on pages, and what they say. One sentence is looked up, not all of them."""

from flask_babel import gettext

from lms.errors import N_

NAMES = {
    "accuracy": N_("accuracy"),
    "average_precision": N_("average precision"),
    "balanced_accuracy": N_("balanced accuracy"),
    "brier_score": N_("Brier score"),
    "cohen_kappa": N_("Cohen's kappa"),
    "explained_variance": N_("explained variance"),
    "f1_macro": N_("macro F1"),
    "f1_micro": N_("micro F1"),
    "f1_weighted": N_("weighted F1"),
    "jaccard_macro": N_("macro Jaccard"),
    "log_loss": N_("log loss"),
    "matthews_corrcoef": N_("Matthews correlation"),
    "max_error": N_("largest error"),
    "mean_absolute_error": N_("mean absolute error"),
    "mean_absolute_percentage_error": N_("mean absolute percentage error"),
    "mean_squared_error": N_("mean squared error"),
    "mean_squared_log_error": N_("mean squared log error"),
    "median_absolute_error": N_("median absolute error"),
    "precision_macro": N_("macro precision"),
    "r2": "R²",
    "recall_macro": N_("macro recall"),
    "roc_auc": "ROC AUC",
    "root_mean_squared_error": N_("root mean squared error"),
    "own": N_("score of the organiser"),
    "mae": N_("mean absolute error"),  # as labs call it
    "rmse": N_("root mean squared error"),
}
TEXTS = {
    "accuracy": N_("The share of rows that are right."),
    "balanced_accuracy": N_("The share of rows that are right in each class, averaged over the classes."),
    "f1_macro": N_("F1 of each class, averaged: rare classes weigh as much as common ones."),
    "log_loss": N_("What a wrong certainty costs: be sure only where you are right."),
    "brier_score": N_("The mean squared difference between probability and what happened."),
    "roc_auc": N_("How often a positive row is ranked above a negative one."),
    "average_precision": N_("The precision, averaged over all recalls."),
    "mean_absolute_error": N_("The mean distance from the true value."),
    "mean_squared_error": N_("The mean squared distance from the true value."),
    "root_mean_squared_error": N_(
        "The root of the mean squared distance from the true value: large errors weigh more."
    ),
    "r2": N_("The share of the variance that is explained."),
    "own": N_("A scorer of the organiser's own; see what it says about itself above."),
}


def metric_name(metric: str) -> str:
    """Return what a metric is called; what nobody named here keeps its own name."""
    return str(gettext(NAMES.get(metric, metric)))


def metric_text(metric: str) -> str:
    """Return what a metric says of predictions, in a sentence; empty where there is none."""
    return str(gettext(TEXTS[metric])) if metric in TEXTS else ""

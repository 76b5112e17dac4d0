"""What has to be installed for a tracker; imports none of it."""

from ftcore.config.schema import Mlflow, NoTracker, SwanLab, TensorBoard, Wandb


def needed(tracker: NoTracker | TensorBoard | Mlflow | Wandb | SwanLab) -> dict[str, str]:
    """Import name -> what pip calls it."""
    match tracker:
        case TensorBoard():
            return {"tensorboard": "tensorboard"}
        case Mlflow(uri=uri):
            server = uri is not None and uri.startswith(("http://", "https://", "databricks"))
            database = {} if server else {"sqlalchemy": "sqlalchemy", "alembic": "alembic"}
            return {"mlflow": "mlflow-skinny"} | database
        case Wandb():
            return {"wandb": "wandb"}
        case SwanLab(mode="local"):
            return {"swanlab": "swanlab", "swanboard": "swanboard"}
        case SwanLab():
            return {"swanlab": "swanlab"}
    return {}

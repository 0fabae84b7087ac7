from alembic import command

from service.migrations import alembic_config


def test_the_models_and_the_migrations_agree(disposable_database_url: str) -> None:
    command.check(alembic_config(disposable_database_url))


def test_migrations_go_up_down_and_up_again(disposable_database_url: str) -> None:
    config = alembic_config(disposable_database_url)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)

"""What a tenant is told, reads and asks: alerts, notifications, documents, tickets, questions."""

from cks.db.migrations.steps import isolate, run, run_file, share

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_file("0007_desk.sql")
    share("docs")
    isolate("alerts", "metrics", "notifications", "help_tickets", "qa_questions", "qa_answers")


def downgrade() -> None:
    run("DROP TABLE qa_answers, qa_questions, help_tickets, docs, notifications, metrics, alerts")

-- Answers while they are given and some minutes after, for those who follow them on another node. Not logged: a crash ends the answers with it.
CREATE UNLOGGED TABLE IF NOT EXISTS live_answers (
    organization text   NOT NULL,
    interaction  text   NOT NULL,
    until        bigint NOT NULL,
    done         bigint NOT NULL,
    PRIMARY KEY (organization, interaction)
);
CREATE UNLOGGED TABLE IF NOT EXISTS live_answer_events (
    organization text   NOT NULL,
    interaction  text   NOT NULL,
    number       bigint NOT NULL,
    name         text   NOT NULL,
    data         jsonb  NOT NULL,
    PRIMARY KEY (organization, interaction, number)
);

"""Trains the reader of question and unit together from the embedding transformer. See README.md beside it."""

import argparse, glob, json, random, re, time
import numpy as np, torch
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

random.seed(7)
torch.manual_seed(7)
np.random.seed(7)
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model", help="all-MiniLM-L6-v2 as ONNX with float weights")
parser.add_argument("tokenizer", help="its tokenizer.json")
parser.add_argument("out", help="where the weights go")
parser.add_argument("--groups", default="groups", help="the folder of groups")
parser.add_argument("--left-out", help="a file of groups that is judged on and not trained on")
parser.add_argument("--epochs", type=float, default=3)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
ONNX, TOK, OUT, EPOCHS, FOLD = options.model, options.tokenizer, options.out, options.epochs, options.left_out
torch.set_num_threads(options.threads)
tok = PreTrainedTokenizerFast(tokenizer_file=TOK)
tok.pad_token = "[PAD]"
tok.backend_tokenizer.no_padding()
tok.backend_tokenizer.no_truncation()


def weights():
    import onnx
    from onnx import numpy_helper

    m = onnx.load(ONNX)
    init = {i.name: numpy_helper.to_array(i) for i in m.graph.initializer}
    state = {}
    for k, v in init.items():
        if k.startswith(("embeddings.", "encoder.")):
            state[k] = torch.tensor(np.array(v))
    # the weights of products stand transposed and nameless: each product's place in the graph names it
    for n in m.graph.node:
        if n.op_type == "MatMul" and n.input[1] in init:
            name = n.name.strip("/").replace("/", ".").replace(".MatMul", "")
            name = re.sub(r"layer\.(\d+)", r"layer.\1", name) + ".weight"
            state[name] = torch.tensor(np.array(init[n.input[1]]).T.copy())
    return state


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        cfg = BertConfig(
            vocab_size=30522,
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=12,
            intermediate_size=1536,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            attn_implementation="eager",
        )
        self.bert = BertModel(cfg, add_pooling_layer=False)
        got = weights()
        want = set(self.bert.state_dict())
        names = {k for k in got if k in want}
        missing = [k for k in want - names if "position_ids" not in k and "token_type_ids" not in k]
        assert not missing, (missing[:5], sorted(set(got) - want)[:5])
        self.bert.load_state_dict({k: got[k] for k in names}, strict=False)
        self.bert.embeddings.word_embeddings.weight.requires_grad_(False)
        self.pool = nn.Linear(384, 384)
        self.out = nn.Linear(384, 1)

    def forward(self, input_ids, attention_mask, token_type_ids):
        h = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state
        return self.out(torch.tanh(self.pool(h[:, 0])))[:, 0]


def shaped(unit, kind, rng):
    if kind == "row" and rng.random() < 0.6 and ";" in unit and ":" in unit:
        cells = [c.split(":", 1) for c in unit.split(";") if ":" in c]
        if rng.random() < 0.65:
            return "| " + " | ".join(c[0].strip() for c in cells) + " | | " + " | ".join(c[1].strip() for c in cells) + " |"
        return "\n".join(f"{c[0].strip()}: {c[1].strip()}" for c in cells)
    if kind == "item" and rng.random() < 0.6 and ": " in unit:
        a, b = unit.split(": ", 1)
        return f"{a}: - {b}"
    return unit


def context(g, u, rng, vary=True):
    text = shaped(g["units"][u]["text"], g["units"][u]["kind"], rng)
    heads = [x for x in (g["title"], g["heading"]) if x]
    if vary:
        r = rng.random()
        if r < 0.12:
            heads = []
        elif r < 0.24:
            heads = heads[-1:]
        elif r < 0.3:
            heads = heads[:1]
    return (" > ".join(heads) + "\n" if heads else "") + text


groups = {f: [json.loads(l) for l in open(f) if l.strip()] for f in sorted(glob.glob(f"{options.groups}/*.jsonl"))}
train = [g for f, gs in groups.items() if f != FOLD for g in gs]
test = groups.get(FOLD, [])
MAXLEN = 128


def encode(pairs):
    e = tok(
        [a for a, _ in pairs],
        [b for _, b in pairs],
        truncation="only_second",
        max_length=MAXLEN,
        padding=True,
        return_tensors="pt",
        return_token_type_ids=True,
    )
    return {k: e[k] for k in ("input_ids", "attention_mask", "token_type_ids")}


K = 4  # units beside each other for one question: one that answers, the rest that do not


def questions():
    out = []
    for gi, g in enumerate(train):
        for qi in range(len(g["questions"])):
            out.append((gi, qi))
    random.shuffle(out)
    return out


def sloppy(q, rng):
    r = rng.random()
    if r < 0.15:
        q = q.lower()
    if r < 0.1:
        q = q.rstrip("?")
    return q


def candidates(gi, qi, rng):
    g = train[gi]
    q = g["questions"][qi]
    pos = rng.choice(q["answers"])
    neg = [u for u in range(len(g["units"])) if u not in q["answers"]]
    rng.shuffle(neg)
    cs = [(context(g, pos, rng), 1)] + [(context(g, u, rng), 0) for u in neg[: K - 2]]
    o = train[rng.randrange(len(train))]
    if o is not g:
        cs.append((context(o, rng.randrange(len(o["units"])), rng), 0))
    return [((sloppy(q["text"], rng), c), y) for c, y in cs]


def judge(model, gs, rng):
    model.eval()
    top = n = 0
    P = []
    Y = []
    best_pos = []
    best_neg = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for g in gs:
            pairs = [(q["text"], context(g, u, rng, False)) for q in g["questions"] for u in range(len(g["units"]))]
            s = model(**encode(pairs)).float().numpy().reshape(len(g["questions"]), -1)
            for q, row in zip(g["questions"], s):
                top += int(row.argmax() in q["answers"])
                n += 1
                y = [int(u in q["answers"]) for u in range(len(row))]
                P += list(row)
                Y += y
                best_pos.append(row.max())
                best_neg.append(max(r for r, yy in zip(row, y) if not yy))
    model.train()

    def auc(p, y):
        o = np.argsort(p)
        r = np.empty(len(p))
        r[o] = np.arange(1, len(p) + 1)
        y = np.array(y)
        a = y.sum()
        b = len(y) - a
        return (r[y == 1].sum() - a * (a + 1) / 2) / (a * b)

    # a question with its answer taken away is one that cannot be answered: the near miss
    return dict(
        top1=round(top / n, 3),
        pair_auc=round(auc(np.array(P), Y), 3),
        refusal_auc=round(auc(np.array(best_pos + best_neg), [1] * n + [0] * n), 3),
        n=n,
    )


if __name__ == "__main__":
    rng = random.Random(11)
    model = Reader()
    B = 12
    per = len(questions())
    steps = int(EPOCHS * per / B)
    print(per, "questions", steps, "steps", flush=True)
    decay = [p for n, p in model.named_parameters() if p.ndim > 1]
    rest = [p for n, p in model.named_parameters() if p.ndim <= 1]
    decay = [p for p in decay if p.requires_grad]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0}], lr=8e-5)
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1, (s + 1) / (steps * 0.08 + 1)) * max(0.02, 1 - s / steps))
    t = time.time()
    loss_sum = 0
    todo = []
    model.train()
    for step in range(steps):
        if len(todo) < B:
            todo = questions() + todo
        batch = [candidates(*todo.pop(), rng) for _ in range(B)]
        flat = [x for b in batch for x in b]
        with torch.autocast("cpu", torch.bfloat16):
            s = model(**encode([p for p, _ in flat])).float()
        y = torch.tensor([float(v) for _, v in flat])
        bce = nn.functional.binary_cross_entropy_with_logits(s, y, pos_weight=torch.tensor(3.0))
        at = 0
        ce = 0
        for b in batch:
            ce = ce + nn.functional.cross_entropy(s[at : at + len(b)][None], torch.tensor([0]))
            at += len(b)
        loss = bce + 0.5 * ce / B
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
        loss_sum += loss.item()
        if (step + 1) % 100 == 0:
            print(
                step + 1,
                round(loss_sum / 100, 4),
                f"{time.time() - t:.0f}s",
                judge(model, test[:12], rng) if test and (step + 1) % 200 == 0 else "",
                flush=True,
            )
            loss_sum = 0
    if test:
        print("left out", FOLD, judge(model, test, rng), flush=True)
    torch.save(model.state_dict(), OUT)

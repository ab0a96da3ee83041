"""The models beside ours: their shapes, and that our treatment of them changes no answer."""

from pathlib import Path

import handmade
import numpy as np
import pytest
import torch

from squeezebert_mobile.benchmarks import candidates, peers, workload
from squeezebert_mobile.benchmarks.peers import PAPER, TREATED, Form, Peer, PeerModel
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.errors import UsageError


# By their cards: MiniLM-L6-H384-uncased 22.7 M, xtremedistil-l6-h256 13 M, TinyBERT-4-312 14.5 M, DistilBERT 66 M.
@pytest.mark.parametrize(
    ("peer", "millions"),
    [(Peer.MINILM, 22.7), (Peer.XTREMEDISTIL, 12.8), (Peer.TINYBERT, 14.4), (Peer.DISTILBERT, 67.0)],
)
def test_a_peer_has_as_many_parameters_as_its_card_says(peer: Peer, millions: float) -> None:
    with torch.device("meta"):
        model = PeerModel(peer).build()
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize("peer", TREATED)
def test_the_last_layer_of_the_first_token_alone_gives_the_same_answer(peer: Peer) -> None:
    model = PeerModel(peer, layers=2, hidden=32)
    ids = torch.randint(5, 900, (2, 9))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    with torch.inference_mode():
        expected = peers.logits_of(model.build())(ids, mask, torch.zeros_like(ids))
        found = peers.first_token_form(model.build(), peer)(ids, mask, torch.zeros_like(ids))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_peer_without_token_types_takes_the_three_inputs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setenv("SQUEEZEBERT_MOBILE_CACHE", str(tmp_path))
    model = PeerModel(Peer.DISTILBERT, layers=1, hidden=32, max_length=64)
    session = onnxruntime.InferenceSession(peers.export_onnx(model, Form.PLAIN))
    ids = np.arange(5, 14)[None]
    (found,) = session.run(
        None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    )
    with torch.inference_mode():
        expected = model.build()(torch.from_numpy(ids)).logits
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_all_peers_are_more_than_those_of_the_paper() -> None:
    assert set(PAPER) < set(peers.parse(["all"])) == set(Peer)
    assert set(peers.parse(["minilm-l6", "XTREMEDISTIL-L6-H256", "tinybert-4", "distilbert"])).isdisjoint(PAPER)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "positions"), [(50, 8), (700, 40)])
def test_a_peer_of_other_sizes_is_exported_with_its_own(
    words: int, positions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    monkeypatch.setenv("SQUEEZEBERT_MOBILE_CACHE", str(tmp_path / "cache"))
    config = transformers.BertConfig(
        vocab_size=words, max_position_embeddings=positions, hidden_size=32, num_hidden_layers=1,
        num_attention_heads=4, intermediate_size=64,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    bundle = handmade.write(tmp_path / "bundle")  # of 120 words
    plain, pte = candidates.from_peers(
        {Peer.BERT_BASE: tmp_path / "model"}, ("onnx", "executorch"), ("fp32",), tokens=16, tokenizer=bundle
    )[::-1]
    assert (plain.vocab_size, plain.max_tokens, plain.tokenizer) == (words, positions, bundle if words > 120 else None)
    assert pte.fixed_tokens == min(16, positions)
    made = workload.ids(plain, Protocol(tokens=positions), positions)
    assert made.input_ids.max() < words


def test_a_folder_that_is_no_peer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a checkpoint folder"):
        peers.size_of(tmp_path, "vocab_size")
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text('{"vocab_size": "many"}')
    with pytest.raises(UsageError, match="has no size as vocab_size"):
        peers.size_of(tmp_path, "vocab_size")

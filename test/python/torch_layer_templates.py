"""Calls of PyTorch's modules and functions with blanks, by kind; `torch_layers` fills the blanks.

A row has arguments, `=>` and what is called: a module, which takes the arguments, or an expression
of a, b, c, d, which are they. Of {a|b} one is drawn. Arguments are calls of the makers of
`torch_layers`, over the sizes N, L and M, which each call of a program draws anew, or constants.
What PyTorch refuses is drawn again, so that a row needs to be right for some options only.
"""

from __future__ import annotations


def _rows(text: str) -> list[str]:
    """The rows of a text; a line that is set in goes on with the one before."""
    return text.strip().replace("\n    ", " ").splitlines()


_CONVOLUTION = (
    "(4, {2|4|6}, {1|2|3}, stride={1|1|2|3}, padding={0|0|1|2|'same'|'valid'}, dilation={1|1|2}, "
    "groups={1|1|2|4}, bias={True|False}, padding_mode={'zeros'|'zeros'|'reflect'|'replicate'|"
    "'circular'})"
)
_TRANSPOSED = (
    "(4, {2|4|6}, {1|2|3}, stride={1|2|3}, padding={0|1|2}, output_padding={0|0|1}, "
    "groups={1|2}, bias={True|False}, dilation={1|2})"
)

CONVOLUTIONS = _rows(f"""
x(N, 4, L) => nn.Conv1d{_CONVOLUTION}
x(4, L) => nn.Conv1d{_CONVOLUTION}
x(N, 4, L, M) => nn.Conv2d{_CONVOLUTION}
x(N, 4, L, M) => nn.Conv2d(4, 4, ({{1|3}}, 2), stride=(1, {{1|2}}), padding=({{0|1}},
    {{0|1|2}}), dilation=({{1|2}}, 1))
x(4, L, M) => nn.Conv2d{_CONVOLUTION}
x(N, 4, L, M, 3) => nn.Conv3d{_CONVOLUTION}
x(N, 4, L) => nn.ConvTranspose1d{_TRANSPOSED}
x(N, 4, L, M) => nn.ConvTranspose2d{_TRANSPOSED}
x(N, 4, L, M, 2) => nn.ConvTranspose3d{_TRANSPOSED}
x(N, 4, L, M) => nn.Unfold({{1|2|(2, 3)}}, dilation={{1|2}}, padding={{0|1}}, stride={{1|2}})
x(N, 8, 6) => nn.Fold((4, 3), (2, 2), dilation=1, padding={{0|1}}, stride={{1|2}})
x(N, 4, 9) => nn.Fold((4, 4), 2, dilation=1, stride=1)
x(N, 8, L, M) => nn.PixelShuffle(2)
x(N, 2, 4, 6) => nn.PixelUnshuffle(2)
x(N, 4, L, M) => nn.ChannelShuffle(2)
x(N, 4, L, M) => nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 2, {{1|2}}))
x(N, 4, L, M) => nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 2, {{1|2}}))
x(N, 4, L), x(2, 2, 3) => F.conv1d(a, b, padding=1, groups=2)
x(N, 4, L, M), x(N, 4, 2, 1) =>
    F.conv2d(a.flatten(0, 1)[None], b.flatten(0, 1)[:, None], groups=b.shape[0] * 4)
""")

NORMALIZATIONS = _rows("""
x(N, 4) => nn.BatchNorm1d(4, eps={1e-5|1e-2}, momentum={0.1|None|0.5}, affine={True|False},
    track_running_stats={True|True|False})
x(N, 4, L) =>
    nn.BatchNorm1d(4, momentum={0.1|None}, affine={True|False}, track_running_stats={True|False})
x(N, 4, L, M) =>
    nn.BatchNorm2d(4, momentum={0.1|None}, affine={True|False}, track_running_stats={True|False})
x(N, 3, L, M, 2) => nn.BatchNorm3d(3, affine={True|False})
x(N, 4, L) => nn.InstanceNorm1d(4, affine={True|False}, track_running_stats={True|False})
x(4, L) => nn.InstanceNorm1d(4, affine={True|False})
x(N, 4, L, M) => nn.InstanceNorm2d(4, affine={True|False}, track_running_stats={True|False})
x(N, 4, 2, L, M) => nn.InstanceNorm3d(4, affine={True|False})
x(N, L, 6) =>
    nn.LayerNorm({6|(6,)}, eps={1e-5|1e-3}, elementwise_affine={True|False}, bias={True|False})
x(N, 3, 6) => nn.LayerNorm((3, 6))
x(N, 6) => nn.LayerNorm(6)
x(N, L, 6) => nn.RMSNorm(6, eps={None|1e-3}, elementwise_affine={True|False})
x(N, 6, L) => nn.GroupNorm({1|2|3|6}, 6, affine={True|False})
x(N, 6, L, M) => nn.GroupNorm({1|2|3}, 6)
x(N, 4, L, M) => nn.LocalResponseNorm({1|2|3|5}, alpha=0.1, beta={0.75|0.5}, k={1.0|2.0})
x(N, 4, L) => nn.LocalResponseNorm(2)
x(N, 5) => nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
x(N, 4, L) => F.normalize(a, p={1|2}, dim={1|-1})
x(N, L, 6), x(6), x(6) => F.layer_norm(a, (6,), {b|None}, c)
x(N, 4, L), x(4), p(4) => F.batch_norm(a, b, c, training=False, eps=1e-3)
x(N, 4, L) => F.instance_norm(a)
x(N, 4, L), x(4) => F.group_norm(a, 2, b)
x(N, 5) => nn.utils.parametrizations.orthogonal(nn.Linear(5, 3))
x(N, 5) => nn.utils.parametrizations.weight_norm(nn.Linear(5, 3), dim={0|1|None})
x(N, 5) => nn.utils.parametrizations.spectral_norm(nn.Linear(5, 3))
x(N, 5) => nn.utils.spectral_norm(nn.Linear(5, 3))
""")

# PyTorch 2.13 writes outside of its memory in a dilated max_pool1d of a padded row of one element.
_POOL = "{1|2|3}, stride={None|1|2|3}, padding={0|0|1}"

POOLINGS = _rows(f"""
x(N, 3, L) => nn.MaxPool1d({{1|2|3}}, stride={{None|1|2|3}},
    {{padding={{0|1}}|dilation={{1|2}}}}, ceil_mode={{True|False}})
x(N, 3, L, M) => nn.MaxPool2d({_POOL}, dilation={{1|2}}, ceil_mode={{True|False}})
x(N, 3, L, M) => nn.MaxPool2d((2, 1), return_indices=True)
x(3, L, M) => nn.MaxPool2d({_POOL})
x(N, 2, L, M, 3) => nn.MaxPool3d({_POOL}, ceil_mode={{True|False}})
x(N, 3, L) => nn.AvgPool1d({_POOL}, ceil_mode={{True|False}}, count_include_pad={{True|False}})
x(N, 3, L, M) => nn.AvgPool2d({_POOL}, ceil_mode={{True|False}},
    count_include_pad={{True|False}}, divisor_override={{None|3}})
x(N, 2, L, M, 3) =>
    nn.AvgPool3d({_POOL}, ceil_mode={{True|False}}, count_include_pad={{True|False}})
x(N, 3, L) => nn.LPPool1d({{1|2|3}}, 2, stride={{None|1}})
x(N, 3, L, M) => nn.LPPool2d(2, {{2|(1, 2)}}, ceil_mode={{True|False}})
x(N, 3, L) => nn.AdaptiveAvgPool1d({{1|2|3|5}})
x(N, 3, L, M) => nn.AdaptiveAvgPool2d({{1|2|(2, 3)|(None, 2)}})
x(N, 3, L, M, 2) => nn.AdaptiveAvgPool3d({{1|2}})
x(N, 3, L) => nn.AdaptiveMaxPool1d({{1|2|3}})
x(N, 3, L, M) => nn.AdaptiveMaxPool2d({{1|(2, 1)}}, return_indices={{True|False}})
x(N, 3, 6, 5) => nn.AdaptiveAvgPool2d({{1|2|4|(6, 3)}})
x(N, 3, 6, 5) => nn.AdaptiveMaxPool2d({{1|2|4|(6, 3)}})
x(N, 3, 6) => nn.MaxUnpool1d(2)(*F.max_pool1d(a, 2, return_indices=True))
x(N, 2, 6, 4) => nn.MaxUnpool2d(2)(*F.max_pool2d(a, 2, return_indices=True))
x(N, 3, L) => nn.ConstantPad1d({{(1, 2)|(-1, 1)|2}}, {{0.5|0|-1}})
x(N, 3, L, M) => nn.ConstantPad2d({{(1, 2, 0, 1)|(-1, 1, 1, -1)|2}}, 1.5)
x(N, 3, L) => nn.ReflectionPad1d({{(1, 2)|1|(0, 1)}})
x(N, 3, L, M) => nn.ReflectionPad2d({{(1, 2, 0, 1)|1}})
x(N, 3, L, M, 3) => nn.ReflectionPad3d({{1|(0, 1, 1, 0, 1, 2)}})
x(N, 3, L) => nn.ReplicationPad1d({{(1, 2)|3}})
x(N, 3, L, M) => nn.ReplicationPad2d({{(1, 2, 0, 1)|1}})
x(N, 2, L, M, 2) => nn.ReplicationPad3d(1)
x(N, 3, L, M) => nn.ZeroPad2d({{(1, 2, 0, 1)|1|(-1, 0, 0, -1)}})
x(N, 3, L) => nn.CircularPad1d({{(1, 2)|1}})
x(N, 3, L, M) => nn.CircularPad2d({{(1, 1, 0, 1)|1}})
x(N, 3, L) => F.pad(a, (1, {{1|2}}), mode={{'reflect'|'replicate'|'circular'|'constant'}})
x(N, 3, L, M) => nn.Upsample(scale_factor={{2|1.5|(2, 3)|0.5}},
    mode={{'nearest'|'bilinear'|'bicubic'|'nearest-exact'}})
x(N, 3, L, M) =>
    nn.Upsample(size={{(4, 5)|7}}, mode={{'bilinear'|'bicubic'}}, align_corners={{True|False}})
x(N, 3, L) => nn.Upsample(scale_factor={{2|3|0.7}}, mode={{'nearest'|'linear'}})
x(N, 2, L, M, 2) => nn.Upsample(scale_factor=2, mode={{'nearest'|'trilinear'}})
x(N, 3, L, M) => F.interpolate(a, size=(5, 6), mode={{'area'|'nearest-exact'|'bilinear'}})
x(N, 3, L, M) => F.interpolate(a, scale_factor=0.5, mode='bilinear', antialias=True)
x(N, 3, L, M), u(N, 4, 5, 2) => F.grid_sample(a, b * 2.2 - 1.1,
    mode={{'bilinear'|'nearest'|'bicubic'}}, padding_mode={{'zeros'|'border'|'reflection'}},
    align_corners={{True|False}})
x(N, 2, 3) => F.affine_grid(a, (a.shape[0], 1, 4, 5), align_corners={{True|False}})
""")

EMBEDDINGS = _rows("""
i7(N, L) => nn.Embedding(7, 4, padding_idx={None|0|-1})
i7(N, L) => nn.Embedding(7, 4, max_norm={None|1.0}, norm_type={2.0|1.0})
i7(N, L) => nn.Embedding(7, 4, scale_grad_by_freq={True|False})
i7(L) => nn.Embedding.from_pretrained(torch.ones(7, 3), freeze={True|False})
i7(N, L) => nn.EmbeddingBag(7, 4, mode={'sum'|'mean'|'max'}, padding_idx={None|2})
i7(9) => nn.EmbeddingBag(7, 4, mode={'sum'|'mean'|'max'}, include_last_offset={True|False})(a,
    torch.tensor([0, 2, 2, 9]))
i7(N, L), x(N, L) => nn.EmbeddingBag(7, 4, mode='sum')(a, per_sample_weights=b)
i7(N, L) => F.one_hot(a, 7) * 2
i7(N, L) => F.one_hot(a)
x(N, 5) => nn.Linear(5, {1|3|8}, bias={True|False})
x(5) => nn.Linear(5, 2)
x(N, L, M, 5) => nn.Linear(5, 2)
x(N, 3), x(N, 4) => nn.Bilinear(3, 4, 2, bias={True|False})
x(N, 12) => nn.Unflatten(1, (3, 4))
x(N, L, M) => nn.Flatten({0|1}, {-1|1})
x(N, L, 3), x(N, M, 3) => torch.cdist(a, b, p={2.0|1.0|3.0})
x(N, 5), x(N, 5) => nn.CosineSimilarity(dim={1|0})
x(N, 5), x(N, 5) => nn.PairwiseDistance(p={1|2|3}, keepdim={True|False})
x(N, 5) => nn.Sequential(nn.Linear(5, 8), nn.Dropout({0.0|0.5|1.0}), nn.Linear(8, 2))
x(N, 4, L, M) => nn.Dropout2d({0.0|0.5})
x(N, 4, L) => nn.Dropout1d(0.5)
x(N, L) => nn.AlphaDropout({0.2|0.5})
x(N, 4, L) => nn.FeatureAlphaDropout(0.5)
x(N, L) => nn.RReLU(0.1, {0.3|0.5})
x(N, 5) => nn.ParameterList([nn.Parameter(torch.ones(5)) for _ in range(2)])[1] * a
x(N, 5) => nn.ModuleDict({"one": nn.Linear(5, 3)})["one"](a)
""")

ACTIVATIONS = _rows("""
x(N, L) => nn.ReLU(inplace={True|False})(a * 1)
x(N, L) => nn.ReLU6(inplace={True|False})(a * 4)
x(N, L) => nn.ELU({1.0|0.5}, inplace={True|False})(a * 1)
x(N, L) => nn.SELU(inplace={True|False})(a * 1)
x(N, L) => nn.CELU({1.0|2.0})
x(N, L) => nn.GELU({'none'|'tanh'})
x(N, L) => nn.SiLU(inplace={True|False})(a * 1)
x(N, L) => nn.Mish(inplace={True|False})(a * 1)
x(N, L) => nn.Hardswish()
x(N, L) => nn.Hardsigmoid()
x(N, L) => nn.Hardtanh({-1.0|-0.5}, {0.5|2.0})
x(N, L) => nn.Hardshrink({0.5|0.1})
x(N, L) => nn.Softshrink({0.5|0.1})
x(N, L) => nn.Tanhshrink()
x(N, L) => nn.LeakyReLU({0.01|0.3}, inplace={True|False})(a * 1)
x(N, L) => nn.LogSigmoid()
x(N, L) => nn.Softplus({1|2.5}, {20|1})
x(N, L) => nn.Softsign()
x(N, L) => nn.Threshold({0.1|-0.5}, {0|3.0})
x(N, 4, L) => nn.PReLU({1|4})
x(N, L) => nn.Softmax(dim={0|1|-1|None})
x(N, L) => nn.LogSoftmax(dim={0|1|-1})
x(N, L) => nn.Softmin(dim=1)
x(N, 3, L, M) => nn.Softmax2d()
x(N, 6) => nn.GLU({-1|1})
x(6, L) => F.glu(a, 0)
x(N, L) => F.softmax(a, 1, dtype={torch.float64|torch.float32})
x(N, L) => F.gumbel_softmax(a, tau={1|0.5}, hard={True|False})
x(N, L) => nn.Sigmoid()(a).square() + nn.Tanh()(a)
x(N, 5) => nn.AdaptiveLogSoftmaxWithLoss(5, 8, [2, 4]).log_prob(a)
""")

_REDUCTION = "reduction={'mean'|'sum'|'none'}"

LOSSES = _rows(f"""
x(N, 5), i5(N) => F.cross_entropy(a, b, ignore_index={{-100|0|2}},
    label_smoothing={{0.0|0.1|1.0}}, {_REDUCTION})
x(N, 5), i5(N), p(5) => F.cross_entropy(a, b, c.detach(), ignore_index={{-100|1}},
    label_smoothing={{0.0|0.2}}, {_REDUCTION})
x(N, 5, L), i5(N, L), p(5) => F.cross_entropy(a, b, {{None|c.detach()}},
    ignore_index={{-100|1}}, label_smoothing={{0.0|0.2}}, {_REDUCTION})
x(N, 5, L, M), i5(N, L, M) => F.cross_entropy(a, b, {_REDUCTION})
x(5), i5() => F.cross_entropy(a, b, label_smoothing={{0.0|0.2}})
x(N, 5), u(N, 5), p(5) => F.cross_entropy(a, b.softmax(1), {{None|c.detach()}},
    label_smoothing={{0.0|0.2}}, {_REDUCTION})
x(N, 5), i5(N), p(5) =>
    F.nll_loss(a.log_softmax(1), b, {{None|c.detach()}}, ignore_index={{-100|1}}, {_REDUCTION})
x(N, 5, L), i5(N, L) => F.nll_loss(a, b, ignore_index={{-100|1}}, {_REDUCTION})
x(N, 5, L, M), i5(N, L, M), p(5) =>
    F.nll_loss(a, b, {{None|c.detach()}}, ignore_index={{-100|3}}, {_REDUCTION})
x(N, 5), u(N, 5), p(5) =>
    F.binary_cross_entropy(a.sigmoid(), b, {{None|c.detach()}}, {_REDUCTION})
x(N, 5), u(N, 5), p(5) => F.binary_cross_entropy_with_logits(a, b, {{None|c.detach()}},
    pos_weight={{None|c.detach()}}, {_REDUCTION})
x(N, L), x(N, L) => F.mse_loss(a, b, {_REDUCTION})
x(N, L), x(N, L), p(N, L) => F.mse_loss(a, b, weight=c.detach(), {_REDUCTION})
x(N, L), x(N, L) => F.l1_loss(a, b, {_REDUCTION})
x(N, L), x(N, L) => F.smooth_l1_loss(a, b, beta={{0.0|0.5|1.0}}, {_REDUCTION})
x(N, L), x(N, L) => F.huber_loss(a, b, delta={{0.5|2.0}}, {_REDUCTION})
x(N, L), u(N, L) => F.kl_div(a.log_softmax(1), b, {{reduction='batchmean'|{_REDUCTION}}})
x(N, L), x(N, L) => F.kl_div(a.log_softmax(1), b.log_softmax(1), log_target=True, {_REDUCTION})
x(N, L), p(N, L) =>
    F.poisson_nll_loss(a, b.detach(), log_input={{True|False}}, full={{True|False}}, {_REDUCTION})
x(N, L), x(N, L), p(N, {{L|1}}) => F.gaussian_nll_loss(a, b, c, full={{True|False}}, {_REDUCTION})
x(N), x(N), s(N) => F.margin_ranking_loss(a, b, c, margin={{0.0|0.5}}, {_REDUCTION})
x(N, L), s(N, L) => F.hinge_embedding_loss(a, b, margin={{1.0|0.5}}, {_REDUCTION})
x(N, 4), x(N, 4), s(N) => F.cosine_embedding_loss(a, b, c, margin={{0.0|0.3}}, {_REDUCTION})
x(N, 4), x(N, 4), x(N, 4) => F.triplet_margin_loss(a, b, c, margin={{1.0|0.3}}, p={{2|1}},
    swap={{True|False}}, {_REDUCTION})
x(N, 4), x(N, 4), x(N, 4) =>
    F.triplet_margin_with_distance_loss(a, b, c, swap={{True|False}}, {_REDUCTION})
x(N, L), s(N, L) => F.soft_margin_loss(a, b, {_REDUCTION})
x(N, 5), i5(N), p(5) => F.multi_margin_loss(a, b, p={{1|2}}, margin={{1.0|0.5}},
    weight={{None|c.detach()}}, {_REDUCTION})
x(N, 5), i5(N, 5) => F.multilabel_margin_loss(a, b - 1, {_REDUCTION})
x(N, 5), b(N, 5), p(5) =>
    F.multilabel_soft_margin_loss(a, b.to(a.dtype), {{None|c.detach()}}, {_REDUCTION})
x(6, N, 5), i4(N, 3) => F.ctc_loss(a.log_softmax(2), b + 1, torch.full((b.shape[0],), 6),
    torch.full((b.shape[0],), {{3|2}}), zero_infinity={{True|False}}, {_REDUCTION})
x(N, 5), i5(N) => nn.CrossEntropyLoss(weight=torch.arange(5) * 0.5 + 0.5,
    ignore_index={{-100|2}}, label_smoothing={{0.0|0.1}}, {_REDUCTION})
x(N, 5), u(N, 5) => nn.BCEWithLogitsLoss(pos_weight=torch.full((5,), 2.0), {_REDUCTION})
x(N, 5), i8(N) => nn.AdaptiveLogSoftmaxWithLoss(5, 8, [2, 4], head_bias={{True|False}})(a, b)
x(N, 5), i5(N) => F.nll_loss(F.log_softmax(a, 1), b)
x(N, L), u(N, L) => nn.SmoothL1Loss(beta={{0.5|1.0}}, {_REDUCTION})
x(N, L, 5), i5(N, L) => F.cross_entropy(a.transpose(1, 2), b, {_REDUCTION})
x(N, L, 5), i5(N, L) =>
    F.cross_entropy(a.reshape(-1, 5), b.flatten(), ignore_index={{-100|4}}, {_REDUCTION})
""")

_ATTEND = "F.scaled_dot_product_attention"

ATTENTION = _rows(f"""
x(N, 2, L, 4), x(N, 2, M, 4), x(N, 2, M, {{4|3}}) =>
    {_ATTEND}(a, b, c, is_causal={{True|False}}, scale={{None|0.3}})
x(N, L, 4), x(N, M, 4), x(N, M, 4) => {_ATTEND}(a, b, c)
x(L, 4), x(M, 4), x(M, 4) => {_ATTEND}(a, b, c, is_causal={{True|False}})
x(N, 2, L, 4), x(N, 2, M, 4), x(N, 2, M, 4), b({{N, 1|1, 2|1, 1}}, L, M) => {_ATTEND}(a, b, c, d)
x(N, 2, L, 4), x(N, 2, M, 4), x(N, 2, M, 4), b(L, M) => {_ATTEND}(a, b, c, attn_mask=d)
x(N, 2, L, 4), x(N, 2, M, 4), x(N, 2, M, 4), x({{L, M|N, 1, L, M|1, M|N, 2, 1, M}}) =>
    {_ATTEND}(a, b, c, attn_mask=d)
x(N, 2, L, 4), x(N, 2, M, 4), x(N, 2, M, 4), b(N, 1, 1, M) =>
    {_ATTEND}(a, b, c, attn_mask=torch.where(d, 0.0, float('-inf')).to(a.dtype))
x(N, 4, L, 4), x(N, {{1|2}}, M, 4), x(N, 2, M, 4) =>
    {_ATTEND}(a, b, c, enable_gqa=True, is_causal={{True|False}})
x(N, L, 2, 4), x(N, M, 2, 4), x(N, M, 2, 4) =>
    {_ATTEND}(a.transpose(1, 2), b.transpose(1, 2), c.transpose(1, 2)).transpose(1, 2).flatten(2)
x(N, 2, L, 4), x(N, 2, L, 4), x(N, 2, L, 4), b(L, L) =>
    {_ATTEND}(a, b, c, d.tril() | torch.eye(d.shape[0], dtype=torch.bool))
x(N, 2, L, 8) => {_ATTEND}(a, a, a, is_causal=True)
x(N, L, 8), x(N, M, 8) => nn.MultiheadAttention(8, {{1|2|4}}, bias={{True|False}},
    add_bias_kv={{True|False}}, add_zero_attn={{True|False}}, batch_first=True)(a, b, b,
    need_weights={{True|False}}, average_attn_weights={{True|False}})
x(N, L, 8), x(N, M, 6), x(N, M, 5) =>
    nn.MultiheadAttention(8, 2, kdim=6, vdim=5, batch_first=True)(a, b, c)
x(L, N, 8), b(L, L) =>
    nn.MultiheadAttention(8, 2)(a, a, a, attn_mask=b.triu(1), need_weights={{True|False}})
x(L, N, 8) => nn.MultiheadAttention(8, 2)(a, a, a,
    attn_mask=nn.Transformer.generate_square_subsequent_mask(a.shape[0]).to(a.dtype),
    is_causal=True, need_weights={{True|False}})
x(N, L, 8), b(N, L) => nn.MultiheadAttention(8, 2, batch_first=True)(a, a, a,
    key_padding_mask=b & (torch.arange(b.shape[1]) > 0))
x(L, 8), x(M, 8) => nn.MultiheadAttention(8, 2)(a, b, b)
x(N, L, 8) => nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation={{'relu'|'gelu'}},
    batch_first=True, norm_first={{True|False}}, bias={{True|False}})
x(N, L, 8), b(N, L) => nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)(a,
    src_key_padding_mask=b & (torch.arange(b.shape[1]) > 0))
x(L, N, 8) => nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), 2,
    enable_nested_tensor=False)
x(N, L, 8), x(N, M, 8) =>
    nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first={{True|False}})
x(N, L, 8), x(N, M, 8) => nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)(a, b,
    tgt_is_causal=True,
    tgt_mask=nn.Transformer.generate_square_subsequent_mask(b.shape[1]).to(a.dtype))
x(N, L, 8) => nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)(a, a, a)
x(N, 2, L, 4) => {_ATTEND}(a, a, a, dropout_p=0.3)
""")

_CELLS = "num_layers={1|2}, bias={True|False}, batch_first={True|False}, bidirectional={True|False}"

RECURRENT = _rows(f"""
x(N, L, 3) => nn.LSTM(3, 4, {_CELLS}, proj_size={{0|2}})
x(N, L, 3) => nn.GRU(3, 4, {_CELLS})
x(N, L, 3) => nn.RNN(3, 4, {_CELLS}, nonlinearity={{'tanh'|'relu'}})
x(L, 3) => nn.{{LSTM|GRU|RNN}}(3, 4, num_layers={{1|2}}, bidirectional={{True|False}})
x(N, L, 3), x(1, N, 4), x(1, N, 4) => nn.LSTM(3, 4, batch_first=True)(a, (b, c))
x(N, L, 3), x(2, N, 4) => nn.GRU(3, 4, batch_first=True, bidirectional=True)(a, b)
x(N, L, 3), x(2, N, 4) => nn.RNN(3, 4, 2, batch_first=True)(a, b)
x(N, L, 3) => nn.{{LSTM|GRU}}(3, 4, 2, dropout=0.5, batch_first=True)
x(N, 3) => nn.LSTMCell(3, 4, bias={{True|False}})
x(N, 3), x(N, 4), x(N, 4) => nn.LSTMCell(3, 4)(a, (b, c))
x(N, 3), x(N, 4) => nn.GRUCell(3, 4, bias={{True|False}})
x(N, 3), x(N, 4) => nn.RNNCell(3, 4, nonlinearity={{'tanh'|'relu'}})
x(3) => nn.{{LSTMCell|GRUCell|RNNCell}}(3, 4)
x(3, L, 3) => nn.{{LSTM|GRU|RNN}}(3, 4, batch_first=True)(nn.utils.rnn.pack_padded_sequence(a,
    torch.tensor([a.shape[1], a.shape[1], 1]), batch_first=True))[0].data
x(3, L, 3) => nn.utils.rnn.pad_sequence([a[0], a[1, :1], a[2]], batch_first={{True|False}})
""")

KINDS = {
    "convolutions": CONVOLUTIONS,
    "normalizations": NORMALIZATIONS,
    "poolings": POOLINGS,
    "embeddings": EMBEDDINGS,
    "activations": ACTIVATIONS,
    "losses": LOSSES,
    "attention": ATTENTION,
    "recurrent": RECURRENT,
}

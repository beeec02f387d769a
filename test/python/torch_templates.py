"""Lines of PyTorch programs with blanks, by family; `torch_generated` fills the blanks.

x is any tensor, f a real floating one, e one whose values are exact (which is what ops with jumps
take), p both, i an integer one, b a boolean one, c a complex one, y one that may be written to;
d is a dimension, k a count, n a number with a sign, s a number of Python's, t a truth, D a dtype.
A digit behind a letter stands for the same thing in the whole line. What PyTorch refuses is
drawn again, so that a line needs to be right for some operands only.
"""

from __future__ import annotations

ELEMENTS = """
-{e}
{x}.abs()
torch.relu({f})
{e}.sign()
{e}.floor()
{e}.round(decimals={k})
torch.square({x})
{x}.clamp({n}, {k})
{f}.clamp(min={f})
{e}.clip(max={s})
~{i}
{b}.logical_not()
{x}.isnan()
{x}.isinf() | {e}.isfinite()
{f}.sin()
{f}.tanh()
{f}.sigmoid()
({f}.clamp(max=3)).exp()
{f}.erf()
({f}.abs() + 1).sqrt()
({f}.abs() + 1).rsqrt()
({f}.abs() + 1).log()
{f}.abs().log1p()
{f}.expm1().tanh()
{f}.atan()
torch.sinc({f})
({i} * 0.25).cos()
torch.special.i0e({f})
({f}.abs() + 1).lgamma()
{x} + {x}
{x} - {x}
{x} * {x}
{x} / ({x}.abs() + 1)
{x} + {s}
{s} - {e}
{x} * {s}
{s} / ({x}.abs() + 1)
{x}.add({x}, alpha={n})
torch.sub({x}, {x}, alpha={k})
torch.rsub({x}, {x}, alpha={k})
{e} // ({e}.abs() + 1)
{e} % ({e}.abs() + 1)
torch.remainder({e}, {s})
torch.fmod({e}, 3)
torch.div({e}, 2, rounding_mode="trunc")
torch.floor_divide({i}, {n})
torch.maximum({x}, {x})
torch.fmin({f}, {f})
{f} ** 2
{i} ** {k}
2 ** {f}.clamp(max=4)
({f}.abs() + 1) ** {f}.clamp(max=2)
torch.atan2({f}, {f}.abs() + 1)
torch.hypot({f}, {f} + 1)
torch.copysign({f}, {e})
torch.lerp({f}, {f}, 0.25)
torch.lerp({f0}, {f1}, {f2})
torch.addcmul({f}, {f}, {f}, value={n})
torch.addcdiv({f}, {f}, {f}.abs() + 1, value=0.5)
torch.xlogy({f}, {f}.abs() + 1)
torch.logaddexp({f}, {f})
torch.heaviside({p}, {p})
{e} < {e}
{e} >= {s}
{e} == {e}
{e}.ne({s})
torch.isclose({e}, {e})
{b} & {b}
{b} ^ {b}
{i} & {i}
{i} | {n}
{i} << {k}
{i} >> 1
torch.gcd({i}, {i})
torch.where({b}, {x}, {x})
torch.where({e0} > 0, {e0}, {s})
torch.where({b}, {s}, {f})
{x}.to({D})
{x}.type_as({x})
{x}.masked_fill({b}, {s})
{x}.nan_to_num()
torch.nn.functional.gelu({f})
F.gelu({f}, approximate="tanh")
F.silu({f})
F.elu({f}, 0.5)
F.celu({f}, 0.5)
F.selu({f})
F.leaky_relu({f}, 0.25)
F.hardtanh({f}, -0.5, 1.5)
F.hardswish({f})
F.hardsigmoid({f})
F.hardshrink({p}, 0.75)
F.softshrink({f}, 0.5)
F.threshold({p}, 0.25, {n})
F.softplus({f}, 2, 3)
F.mish({f})
F.logsigmoid({f})
F.relu6({f})
F.prelu({f}, torch.full((1,), 0.25, dtype={f}.dtype))
torch.tensor({s}) * {x}
torch.tensor({n}, dtype={D}) + {x}
{x} + torch.scalar_tensor({k}, dtype={D})
{b} + {x}
{x}.bool()
torch.complex({f0}, {f0} * 2)
{c}.real
{c}.imag + {f}
{c}.conj() * {c}
{c}.abs()
torch.polar({f0}.abs(), {f0})
{c} * {s}
{c}.exp()
torch.view_as_real({c})
torch.frexp({p})[0]
torch.ldexp({f}, {i}.clamp(-3, 3))
signs_flipped({e})
torch.bucketize({p}, torch.tensor([-1.0, 0.0, 0.5, 2.0], dtype=f64))
{x}.float() + {x}.double()
""".strip().splitlines()

VIEWS = """
{x}.transpose({d}, {d})
{x}.movedim({d}, {d})
{x}.swapaxes({d}, {d})
{x}.t()
{x}.mT
{x}.unsqueeze({d})
{x}.squeeze()
{x}.squeeze({d})
{x}.squeeze(({d}, {d}))
{x}.narrow({d}, {k}, {k})
{x}.select({d}, {n})
{x}.flip({d})
{x}.flip(({d}, {d}))
{x}.diagonal({n}, {d}, {d})
torch.diag_embed({x}, {n})
torch.diag({x}, {n})
{x}.unfold({d}, {k}, {k})
{x}.expand({k}, *{x0}.shape) + {x0}
{x0}.expand(2, *{x0}.shape)
{x0}.unsqueeze(0).expand(3, *[-1] * ({x0}.ndim + 1))
{x}.reshape(-1)
{x}.flatten({d}, {d})
{x0}.reshape({x0}.shape[0], -1)
{x}.reshape(2, -1)
{x}.unflatten({d}, (2, -1))
{x}.view(-1)
{x0}.view(*{x0}.shape, 1)
{x}.contiguous()
{x}.clone(memory_format=torch.contiguous_format)
{x}[..., {n}]
{x}[::2]
{x}[:, 1:]
{x}[..., -2:]
{x}[{n}:, None]
{x}[None, ..., :-1]
{x}[1:3, ..., ::3]
{x}[True]
{x}.split({k}, {d})[-1]
{x}.chunk({k}, {d})[0]
torch.tensor_split({x}, {k}, {d})[-1]
{x}.unbind({d})[{n}]
torch.cat([{x}, {x}], {d})
torch.cat([{x0}, {x1}, {x0}], {d})
torch.stack([{x0}, {x0} * 2], {d})
torch.hstack([{x0}, {x0}])
{x}.repeat(2, *[1] * {x}.ndim)
{x}.repeat_interleave(2, {d})
{x}.tile({k}, 2)
{x}.roll({n}, {d})
{x}.roll({n})
{x}.rot90({n}, (0, 1))
{x}.tril({n})
{x}.triu({n})
F.pad({x}, ({n}, {k}), value={s})
F.pad({x}, (1, {n}, {n}, 2))
torch.atleast_2d({x})
{x0}.as_strided(({x0}.shape[0],), ({x0}.stride(0),))
{x}.clone().as_strided((2, 2), (1, 2), {k})
{x}.as_strided((3,), (1,), {k})
torch.as_strided_scatter({x}.contiguous(), {x}.flatten()[:2].clone(), (2,), (2,), {k})
torch.slice_scatter({x0}, {x0}[:1] * 2, 0, {k}, {k})
torch.select_scatter({x0}, {x0}.select({d0}, 0) + 1, {d0}, {n})
torch.diagonal_scatter({x0}, {x0}.diagonal() * 2)
torch.broadcast_tensors({x}, {x})[0]
torch.meshgrid({x}, {x}, indexing="ij")[1]
{x}.view_as({x})
{i}.view(torch.int16)
{i}.view(torch.uint8)
{i}.view(torch.int32)
{x}.permute(*range({x}.ndim))
torch.einsum("ij->ji", {x})
torch.einsum("ii->i", {x})
{x}.detach()
{x}.real
{x}.H
""".strip().splitlines()

REDUCTIONS = """
{x}.sum()
{x}.sum({d}, keepdim={t})
{x}.sum(({d}, {d}))
{x}.sum({d}, dtype=f64)
{f}.mean({d}, keepdim={t})
{f}.mean(({d}, {d}), keepdim={t})
{x}.prod({d})
{e}.amax({d}, keepdim={t})
{e}.amin(({d}, {d}), keepdim={t})
{e}.max({d})[0]
{e}.min({d}, keepdim=True)[1]
{e}.max()
{e}.aminmax(dim={d})[0]
{e}.argmax({d}, keepdim={t})
{e}.argmin()
{b}.any({d})
{x}.all()
{e}.count_nonzero({d})
{f}.var({d}, correction={k})
{f}.var(({d}, {d}), unbiased=False, keepdim={t})
({f} + 0.5 * torch.arange({f}.shape[-1])).std(-1)
torch.var_mean({f}, {d})[1]
{f}.logsumexp({d}, keepdim={t})
{f}.logsumexp(({d}, {d}))
({f} + 3).norm(dim={d})
torch.linalg.vector_norm({f} + 2.5, 3, {d})
torch.linalg.vector_norm({e}, 0, {d}, keepdim={t})
torch.linalg.vector_norm({p}, float("inf"), {d})
{f}.nansum({d})
{f}.nanmean({d})
{f}.softmax({d})
{f}.log_softmax({d})
F.softmin({f}, {d})
{x}.softmax({d}, dtype=f32)
{x}.cumsum({d})
{f}.cumprod({d})
{e}.cummax({d})[0]
{e}.cummin({d})[1]
{f}.logcumsumexp({d})
{e}.sort({d}, stable=True)[0]
{e}.sort({d}, descending=True, stable=True)[1]
{e}.argsort({d}, stable=True)
{e}.topk({k}, {d})[0]
{p}.median()
{p}.median({d})[0]
{p}.nanmedian({d})[0]
{p}.kthvalue({k}, {d})[0]
{p}.quantile(0.25, {d})
{p}.msort()
{p}.mode({d})[0]
torch.diff({x}, dim={d})
torch.trapezoid({f}, dim={d})
{x}.trace()
F.normalize({f} + 2, dim={d})
F.cosine_similarity({f} + 1, {f} + 2, dim={d})
torch.histc({p}, 5, -2, 3)
torch.bincount({i}.flatten().clamp(0, 4), minlength=6)
torch.renorm({f}, 2, {d}, 1.5)
torch.cumulative_trapezoid({f}, dim={d})
""".strip().splitlines()

INDICES = """
{x}[{i}]
{x}[{i}, {i}]
{x}[:, {i}]
{x}[..., {i}, :]
{x}[{i}, :, {i}]
{x}[{i}, None]
{x}[{i}, 1:]
{x}[None, :, {i}]
{x}[{i}.clamp(-1, 0)]
{x}.index_select({d}, {i}.flatten().clamp(0, 1))
{x}.gather({d}, {i}.clamp(0, 1))
torch.take_along_dim({x}, {i}.clamp(-1, 0), {d})
torch.take({x}, {i}.clamp(-1, 2))
{x}.scatter_add({d}, {i}.clamp(0, 1), {x})
{x}.scatter({d}, {i}.clamp(0, 0), {s})
{f}.scatter_reduce({d}, {i}.clamp(0, 1), {p}, "amax", include_self={t})
{f}.scatter_reduce({d}, {i}.clamp(0, 1), {f}, "mean", include_self={t})
{x}.index_add({d}, {i}.flatten().clamp(0, 1), {x}, alpha=2)
{x0}.index_copy({d}, torch.tensor([0]), {x0}.narrow({d}, 0, 1) + 1)
{x}.index_fill({d}, {i}.flatten().clamp(0, 1), {n})
{x}.index_put(({i},), {x}, accumulate=True)
{x}.index_put(({i}, {i}), {x}, accumulate=True)
{x0}.index_put(({b0},), torch.tensor({n}).to({x0}.dtype))
{x0}.index_put(({b0},), torch.tensor({n}).to({x0}.dtype), accumulate=True)
{x}.masked_scatter({b}, {x})
{x}.put({i}.clamp(0, 1), {i}.to({x}.dtype), accumulate=True)
F.one_hot({i}.clamp(0, 3), 5)
F.embedding({i}.clamp(0, 1), {x})
torch.searchsorted({p}.sort(-1)[0].detach(), {p})
torch.isin({e}, {e})
torch.tril_indices({k}, {k})[0]
""".strip().splitlines()

LINEAR = """
{f} @ {f}
{x}.matmul({x})
{f} @ {f}.mT
torch.mm({x}, {x}.t())
torch.bmm({x}, {x}.mT)
torch.mv({x}, {x})
torch.dot({x}, {x})
torch.outer({x}, {x})
torch.addmm({x}, {x}, {x}, beta=2, alpha=0.5)
torch.baddbmm({f}, {f}, {f}, alpha=2)
torch.einsum("ij,kj->ik", {x}, {x})
torch.einsum("...i,...i->...", {f}, {f})
torch.einsum("ijk,ijl->ikl", {x}, {x})
torch.tensordot({f}, {f}, 1)
torch.kron({x}, {x})
torch.cdist({f}, {f} + 9)
torch.linalg.cross({f}, {f})
torch.linalg.inv({f0} @ {f0}.mT + 2 * torch.eye({f0}.shape[-2], dtype={f0}.dtype))
torch.linalg.det({f0} @ {f0}.mT + 2 * torch.eye({f0}.shape[-2], dtype={f0}.dtype))
torch.linalg.cholesky({f0} @ {f0}.mT + torch.eye({f0}.shape[-2], dtype={f0}.dtype))
torch.linalg.solve({f0} @ {f0}.mT + torch.eye({f0}.shape[-2], dtype={f0}.dtype), {f0})
torch.linalg.matrix_power({f}, 2)
torch.linalg.multi_dot([{f}, {f}, {f}])
torch.fft.fft({x})
torch.fft.rfft({f}, dim={d})
torch.fft.irfft({c}, n=4)
torch.vander({f}, 3)
torch.block_diag({x}, {x})
F.bilinear({f0}, {f0}, torch.ones(2, {f0}.shape[-1], {f0}.shape[-1], dtype={f0}.dtype))
torch.addr({f}, {f}, {f})
torch.linalg.matrix_norm({f} + 3)
torch.cartesian_prod({x}, {x})
torch.trapz({f})
""".strip().splitlines()

WRITES = """
{y}.add_({x} * 1)
{y}.mul_({s})
{y}.sub_({k})
{y}.copy_({x} * 1)
{y}.zero_()
{y}.fill_({n})
{y}.clamp_({n}, 2)
{y}.neg_()
{y}.relu_()
{y}.tanh_()
{y}.masked_fill_({b} & True, {s})
{y}[0] = {n}
{y}[..., -1] = {x} * 1
{y}[::2] += 1
{y}[:, 1:] *= 2
{y}[None, 0] = {s}
{y}[{i} * 1] = {s}
{y}[{e} > 0] = {n}
{y}[{b} & True] = {s}
{y}.diagonal().fill_({n})
{y}.diagonal({n}).add_(1)
{y}.t().copy_({x} * 1)
{y}.transpose({d}, {d})[0].mul_(0.5)
{y}.view(-1)[::2].zero_()
{y}.select({d}, {n}).add_({x} * 1)
{y}.narrow({d}, {k}, 1).copy_({x} * 1)
{y}.unsqueeze({d}).add_(1)
{y}.squeeze_()
{y}.unsqueeze_({d})
{y}.transpose_({d}, {d})
{y}.index_add_({d}, torch.tensor([0, 0]), {x} * 1)
{y}.index_fill_({d}, torch.tensor([0]), {s})
{y}.index_put_(({i} * 1,), {x} * 1, accumulate=True)
{y}.scatter_({d}, {i}.clamp(0, 0) * 1, {s})
{y}.scatter_add_({d}, {i}.clamp(0, 1) * 1, {x} * 1)
{y}.tril_({n})
{y}.addcmul_({x} * 1, {x} * 1, value=0.5)
{y}.lerp_({x} * 1, 0.5)
{y}.as_strided((2,), (1,), {y}.storage_offset()).add_(1)
{y}.unfold({d}, 2, 2)[0].fill_({s})
{y}.bitwise_or_({k})
{y}.logical_not_()
{y}.real.mul_(2)
{y}.imag.zero_()
torch.view_as_real({y})[..., 0].add_(1)
torch.add({x} * 1, {x} * 1, out={y})
torch.mul({x} * 1, {s}, out={y})
{y}.sort({d}, stable=True)[0].mul_(2)
{y}.swapaxes({d}, {d}).add_({x} * 1)
{y}.div_(2)
{y}.pow_(2)
{y}.flip({d}).zero_()
""".strip().splitlines()

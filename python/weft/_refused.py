"""What PyTorch has and Weft has not, and what to write instead: one table, and the errors of it."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from ._core import Tensor
from ._creation import _fail
from ._errors import MissingAttributeError


class Refused(NamedTuple):
    """Names that there are not for one reason."""

    #: Where PyTorch has them: "Tensor", "weft" for its own module, or a module below that.
    spaces: str
    #: With * for the rest of a name. Tensors have no such families: each has to be there in full.
    names: str
    reason: str
    #: What to write; {base} is the name without an underscore at its end.
    instead: str


#: docs/names.md has the reasons, and what to write instead, in this order.
TABLE = [
    Refused(
        "Tensor",
        "squeeze_ unsqueeze_ t_ transpose_ swapaxes_ swapdims_",
        "a tensor keeps its shape when it changes in place",
        "x = x.{base}(...)",
    ),
    Refused(
        "Tensor weft",
        "resize_ resize_as_ resize resize_as",
        "a tensor keeps its size when it changes in place",
        "x = x.reshape(...), or weft.zeros(...) and x[...] = y",
    ),
    Refused(
        "Tensor weft",
        "as_strided as_strided_ as_strided_copy as_strided_scatter empty_strided new_empty_strided "
        "storage untyped_storage storage_offset storage_type is_storage set_ is_set_to data_ptr "
        "const_data_ptr dim_order",
        "a tensor reaches its own elements alone",
        "reshape, permute, unfold or indices; x.numpy() or DLPack for the memory",
    ),
    Refused(
        "weft nn.utils",
        "channels_last channels_last_3d contiguous_format preserve_format memory_format jagged "
        "legacy_contiguous_format convert_conv2d_weight_memory_format "
        "convert_conv3d_weight_memory_format",
        "the compiler chooses how elements lie",
        "leave it out",
    ),
    Refused(
        "Tensor weft optim",
        "to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr coalesce "
        "is_coalesced indices values ccol_indices col_indices crow_indices row_indices dense_dim "
        "sparse_dim sparse_mask sparse_resize_ sparse_resize_and_clear_ resize_as_sparse_ smm "
        "sspaddmm sparse sparse_* *indices_copy values_copy dsmm hsmm hspmm saddmm spmm SparseAdam",
        "there are no sparse tensors",
        "dense ones with masks, gather, scatter_add or weft.ops.segment_sum",
    ),
    Refused(
        "Tensor weft",
        "dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points "
        "q_scale q_zero_point qscheme quantize_* quantized_* quantization ao fake_quantize_* "
        "fbgemm_* choose_qparams_optimized empty_quantized fused_moving_avg_obs_fake_quant qint8 "
        "quint8 qint32 quint4x2 quint2x4 Q*Storage per_channel_* per_tensor_*",
        "there are no quantised tensors, but layers whose weights are of few bits",
        "weft.quantize(module), or astype to a dtype of 8 bits and a scale",
    ),
    Refused(
        "nn.functional",
        "scaled_mm grouped_mm scaled_grouped_mm",
        "products are of dtypes that compute",
        "(a.astype(...) * scale) @ b, and weft.vmap or a batch for groups",
    ),
    Refused(
        "Tensor weft",
        "cudnn_* miopen_* mkldnn_* to_mkldnn native_batch_norm native_dropout native_group_norm "
        "native_layer_norm native_norm batch_norm_*",
        "these name the kernels of a library",
        "the function of weft.nn.functional",
    ),
    Refused(
        "weft",
        "embedding_bag embedding_renorm_",
        "it gives what PyTorch's layers need alone",
        "weft.nn.functional.embedding_bag, or embedding with max_norm",
    ),
    Refused(
        "Tensor",
        "apply_ map_ map2_",
        "no function of Python is called for each element",
        "weft's functions of whole tensors, or weft.vmap",
    ),
    Refused(
        "Tensor weft",
        "ipu xpu mtia chalf complex32 is_distributed is_vulkan_available get_device_module",
        "devices are cpu, cuda and emulator, and no complex numbers of halves are on them",
        "x.to(device), x.cfloat()",
    ),
    Refused(
        "Tensor weft",
        "pin_memory is_pinned share_memory_ is_shared record_stream from_file",
        "memory belongs to one process and one stream",
        "x.to(device); weft.load maps files; pickle for other processes",
    ),
    Refused(
        "weft",
        "cuda backends mps cpu accelerator multiprocessing hub utils nested version compiler cpp "
        "library masked monitor futures overrides package quasirandom return_types serialization "
        "signal testing torch_version types windows fx functional classes numa",
        "there is no such module",
        'weft.device("cuda"), weft.data, weft.checkpoint, weft.nn.utils; weft.stats() for counts',
    ),
    Refused(
        "weft",
        "Generator default_generator thread_safe_generator",
        "random numbers come of one generator or of keys",
        "weft.manual_seed, weft.random.key",
    ),
    Refused(
        "weft",
        "FloatTensor DoubleTensor HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor "
        "CharTensor ByteTensor BoolTensor set_default_tensor_type",
        "tensors have one class",
        "weft.tensor(..., dtype=...)",
    ),
    Refused(
        "Tensor weft",
        "eig symeig solve lstsq geqrf ormqr reinforce new",
        "PyTorch has taken it away, or it is a part of LAPACK",
        "weft.linalg.eig, eigh, solve, lstsq and qr; x.new_tensor, new_zeros",
    ),
    Refused(
        "weft",
        "lobpcg pca_lowrank svd_lowrank",
        "there are no approximations by chance",
        "weft.linalg.svd, weft.linalg.eigh",
    ),
    Refused("nn", "Container", "it is the older name of modules", "weft.nn.Module"),
    Refused(
        "nn",
        "LinearCrossEntropyOptions",
        "the compiler divides the work",
        "linear_cross_entropy without options, in weft.checkpoint where memory is short",
    ),
    Refused(
        "weft",
        "autocast_decrement_nesting autocast_increment_nesting get_autocast_* set_autocast_* "
        "clear_autocast_cache is_autocast_cache_enabled is_autocast_cpu_enabled "
        "is_autocast_ipu_enabled is_autocast_xla_enabled",
        "autocast is a context, of one dtype for all devices",
        "weft.autocast, weft.is_autocast_enabled, weft.autocast_dtype",
    ),
    Refused(
        "weft",
        "get_deterministic_debug_mode set_deterministic_debug_mode init_num_threads "
        "is_deterministic_algorithms_warn_only_enabled set_warn_always is_warn_always_enabled",
        "there is no such setting",
        "weft.set_num_threads, and the module warnings of Python",
    ),
    Refused("weft", "Size", "shapes are tuples", "tuple(...), math.prod(x.shape)"),
    Refused("weft", "compile", "functions are compiled by another name", "weft.jit"),
    Refused(
        "weft",
        "fork wait parse_* import_ir_* merge_type_from_type_comment unify_type_list sym_* "
        "classproperty compiled_with_cxx11_abi get_file_path prepare_multiprocessing_environment "
        "profiler_*",
        "it belongs to the insides of PyTorch's programs",
        "weft.jit, weft.export; with sizes reckon as with integers",
    ),
    Refused(
        "Tensor weft",
        "hash_tensor slice_inverse to_padded_tensor module_load as_subclass index",
        "it belongs to the insides of PyTorch's tensors",
        "x[...], and functions of several operations",
    ),
    Refused(
        "Tensor weft autograd",
        "detach_ is_inference is_inference_mode_enabled volatile grad_dtype",
        "a tensor keeps its history, and is the same in all modes",
        "x = x.detach(), or `with weft.no_grad():`",
    ),
    Refused(
        "Tensor",
        "grad_fn output_nr name",
        "what was recorded belongs to the tape",
        "x.requires_grad, x.is_leaf; weft.autograd.grad for gradients by any tensor",
    ),
    Refused(
        "weft autograd",
        "is_anomaly_check_nan_enabled is_anomaly_enabled set_anomaly_enabled detect_anomaly "
        "set_detect_anomaly",
        "errors name the line of the operation in any mode",
        "weft.isfinite(x).all() where numbers are in doubt",
    ),
    Refused(
        "autograd",
        "graph forward_ad Variable variable grad_mode NestedIOFunction set_multithreading_enabled "
        "enforce_grad_layout_policy",
        "the tape is not seen from outside",
        "weft.jvp, weft.checkpoint with a policy, weft.autograd.Function, x.register_hook(...)",
    ),
    Refused(
        "autograd.profiler",
        "emit_* load_nvprof parse_nvprof_trace EnforceUnique KinetoStepTracker EventList "
        "FunctionEvent MemRecordsAcc",
        "there is one profiler",
        "weft.profiler.profile",
    ),
    Refused(
        "profiler",
        "supported_activities ProfilerAction ProfilerActivity kineto_available DeviceType "
        "ExecutionTraceObserver",
        "the profiler watches all devices",
        "weft.profiler.profile() without activities",
    ),
    Refused(
        "weft",
        "Stream Event AcceleratorError",
        "each device has one queue, in which operations follow each other",
        'weft.device("cuda").synchronize(), weft.profiler.profile',
    ),
    Refused(
        "weft",
        "Storage *Storage StorageBase",
        "a tensor reaches its own elements alone",
        "x.numpy() or DLPack for the memory",
    ),
    Refused(
        "weft",
        "bit bits16 bits1x8 bits2x4 bits4x2 bits8 int1 int2 int3 int4 int5 int6 int7 uint1 uint2 "
        "uint3 uint4 uint5 uint6 uint7 float4_e2m1fn_x2 float8_e4m3fnuz float8_e5m2fnuz "
        "float8_e8m0fnu",
        "there is no such dtype",
        "int8, uint8, float8_e4m3fn or float8_e5m2; weft.quantize for weights of few bits",
    ),
    Refused(
        "weft",
        "has_lapack has_mkl has_openmp has_spectral USE_GLOBAL_DEPS USE_RTLD_GLOBAL_WITH_LIBTORCH",
        "it says how PyTorch was built",
        "nothing: weft has all of its functions everywhere",
    ),
    Refused(
        "weft",
        "AVG SUM AggregationType AliasDb [A-CE-Z]*Type DictType Argument ArgumentSpec "
        "Benchmark* Block BufferDict "
        "CallStack Capsule Code CompilationUnit CompleteArgumentSpec ConcreteModuleTypeBuilder "
        "DeepCopyMemoTable *SerializationContext DeserializationStorageContext "
        "SerializationStorageContext DeviceObjType DisableTorchFunction* DispatchKey* ErrorReport "
        "ExcludeDispatchKeyGuard ExecutionPlan FatalError FileCheck FunctionSchema Future "
        "Gradient Graph GraphExecutorState IODescriptor JITException *Logger LoggerBase "
        "LiteScriptModule ModuleDict Node OperatorInfo PRIVATE_OPS ParameterDict PyTorchFile* "
        "Script* StaticModule SymBool SymFloat SymInt Tag ThroughputBenchmark TracingState Type "
        "Use Value",
        "it belongs to the insides of PyTorch's programs",
        "weft.jit, weft.export and weft.nn; with sizes reckon as with integers",
    ),
    Refused(
        "nn",
        "common_types factory_kwargs grad intrinsic modules parallel qat quantizable quantized",
        "layers stand in one module",
        "weft.nn.<layer>; weft.grad and weft.vjp; weft.quantize; nn.DataParallel, distributed",
    ),
    Refused(
        "nn.functional",
        "grad GRID_SAMPLE_* BroadcastingList*",
        "it belongs to the insides of PyTorch's functions",
        "weft.grad, weft.vjp",
    ),
    Refused(
        "nn.attention",
        "WARN_FOR_UNFUSED_KERNELS *_flash_attention_impl* bias flex_attention experimental "
        "varlen activate_* current_* restore_*",
        "there is one way to compute attention",
        "scaled_dot_product_attention with a mask, or weft.kernel",
    ),
    Refused(
        "nn.parameter",
        "UninitializedTensorMixin",
        "it belongs to the insides of PyTorch's modules",
        "UninitializedParameter, UninitializedBuffer",
    ),
    Refused(
        "linalg",
        "ldl_factor ldl_factor_ex ldl_solve",
        "symmetric matrices are factorised by others",
        "weft.linalg.solve, lu_factor and lu_solve; eigh; cholesky where they are positive",
    ),
    Refused(
        "optim",
        "swap_in_optimizer_params_and_state",
        "it belongs to the insides of PyTorch's optimizers",
        "optimizer.load_state_dict",
    ),
    Refused(
        "data",
        "*DataPipe DataChunk functional_datapipe guaranteed_datapipes_determinism "
        "non_deterministic argument_validation runtime_validation*",
        "PyTorch has given pipes of data up",
        "weft.data.IterableDataset",
    ),
    Refused(
        "random",
        "thread_safe_generator",
        "random numbers come of one generator or of keys",
        "weft.manual_seed, weft.random.key",
    ),
    Refused(
        "distributions",
        "ExponentialFamily",
        "entropies and divergences have formulas of their own",
        "Distribution",
    ),
    Refused(
        "distributions.constraints",
        "cat stack dependent dependent_property is_dependent MixtureSameFamilyConstraint "
        "multinomial positive_semidefinite square",
        "a constraint says what samples are checked for",
        "a subclass of constraints.Constraint",
    ),
    Refused(
        "nn.utils.parametrize",
        "transfer_parametrizations_and_params",
        "a parametrization belongs to its module",
        "register_parametrization on the other module",
    ),
    Refused(
        "nn.utils.parametrizations",
        "orthogonal",
        "there is no such parametrization",
        "register_parametrization with a module that gives weft.linalg.qr(x).Q, or "
        "weft.matrix_exp(x.triu(1) - x.triu(1).mT)",
    ),
    Refused(
        "nn.utils.prune",
        "BasePruningMethod CustomFromMask Identity LnStructured PruningContainer RandomStructured",
        "pruning is done by functions",
        "prune.custom_from_mask, identity, ln_structured, random_structured",
    ),
    Refused(
        "amp",
        "custom_bwd custom_fwd is_autocast_available",
        "autocast is a context, of one dtype for all devices",
        "`with weft.autocast(enabled=False):` in the function",
    ),
    Refused(
        "func",
        "rearrange debug_unwrap",
        "there is no such transformation",
        "reshape, permute and einsum",
    ),
]


def _rows(space: str) -> list[Refused]:
    return [row for row in TABLE if space in row.spaces.split()]


def why(space: str, name: str) -> str | None:
    """Why there is no such name in a space, and what to write instead; None for others."""
    for row in _rows(space):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in row.names.split()):
            instead = row.instead.format(base=name.rstrip("_"))
            return f"weft has no {name}: {row.reason}; write {instead}"
    return None


def refuse(space: str, name: str) -> NoReturn:
    """Raises the AttributeError of a module for a name that it has not."""
    if not name.startswith("__"):
        reason = why(space, name)
        if reason is not None:
            raise _fail(MissingAttributeError, reason)
    module = "weft" if space == "weft" else f"weft.{space}"
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def refusing(space: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module."""
    return functools.partial(refuse, space)


class _NoAttribute:
    """In a class in the place of an attribute that there is not: costs others nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise _fail(MissingAttributeError, why("Tensor", self._name) or self._name)


for _row in _rows("Tensor"):
    for _name in _row.names.split():
        if "*" not in _name and not hasattr(Tensor, _name):
            setattr(Tensor, _name, _NoAttribute(_name))

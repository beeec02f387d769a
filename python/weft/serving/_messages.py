"""The messages and calls of the Open Inference Protocol over gRPC.

They are described here as the protocol's specification has them, and made when the module is
imported, in a pool of their own: a program may have another library's of the same names as well.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = "GRPCInferenceService"

#: Each message as ``name { type field = number ... }``; a field may be ``repeated``, a ``map`` from
#: strings, or one of a choice, ``choice.field``.
_MESSAGES = """
ServerLiveRequest { }
ServerLiveResponse { bool live = 1 }
ServerReadyRequest { }
ServerReadyResponse { bool ready = 1 }
ModelReadyRequest { string name = 1  string version = 2 }
ModelReadyResponse { bool ready = 1 }
ServerMetadataRequest { }
ServerMetadataResponse { string name = 1  string version = 2  repeated string extensions = 3 }
ModelMetadataRequest { string name = 1  string version = 2 }
ModelMetadataResponse.TensorMetadata {
  string name = 1  string datatype = 2  repeated int64 shape = 3
}
ModelMetadataResponse {
  string name = 1  repeated string versions = 2  string platform = 3
  repeated ModelMetadataResponse.TensorMetadata inputs = 4
  repeated ModelMetadataResponse.TensorMetadata outputs = 5
}
InferParameter {
  bool parameter_choice.bool_param = 1  int64 parameter_choice.int64_param = 2
  string parameter_choice.string_param = 3  double parameter_choice.double_param = 4
  uint64 parameter_choice.uint64_param = 5
}
InferTensorContents {
  repeated bool bool_contents = 1  repeated int32 int_contents = 2
  repeated int64 int64_contents = 3  repeated uint32 uint_contents = 4
  repeated uint64 uint64_contents = 5  repeated float fp32_contents = 6
  repeated double fp64_contents = 7  repeated bytes bytes_contents = 8
}
ModelInferRequest.InferInputTensor {
  string name = 1  string datatype = 2  repeated int64 shape = 3
  map InferParameter parameters = 4  InferTensorContents contents = 5
}
ModelInferRequest.InferRequestedOutputTensor {
  string name = 1  map InferParameter parameters = 2
}
ModelInferRequest {
  string model_name = 1  string model_version = 2  string id = 3
  map InferParameter parameters = 4
  repeated ModelInferRequest.InferInputTensor inputs = 5
  repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6
  repeated bytes raw_input_contents = 7
}
ModelInferResponse.InferOutputTensor {
  string name = 1  string datatype = 2  repeated int64 shape = 3
  map InferParameter parameters = 4  InferTensorContents contents = 5
}
ModelInferResponse {
  string model_name = 1  string model_version = 2  string id = 3
  map InferParameter parameters = 4
  repeated ModelInferResponse.InferOutputTensor outputs = 5
  repeated bytes raw_output_contents = 6
}
ModelStreamInferResponse { string error_message = 1  ModelInferResponse infer_response = 2 }
ModelRepositoryParameter {
  bool parameter_choice.bool_param = 1  int64 parameter_choice.int64_param = 2
  string parameter_choice.string_param = 3  bytes parameter_choice.bytes_param = 4
}
RepositoryIndexRequest { string repository_name = 1  bool ready = 2 }
RepositoryIndexResponse.ModelIndex {
  string name = 1  string version = 2  string state = 3  string reason = 4
}
RepositoryIndexResponse { repeated RepositoryIndexResponse.ModelIndex models = 1 }
RepositoryModelLoadRequest {
  string repository_name = 1  string model_name = 2  map ModelRepositoryParameter parameters = 3
}
RepositoryModelLoadResponse { }
RepositoryModelUnloadRequest {
  string repository_name = 1  string model_name = 2  map ModelRepositoryParameter parameters = 3
}
RepositoryModelUnloadResponse { }
"""

#: The calls; each takes the message of its name with "Request", and gives that with "Response".
CALLS = (
    *("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"),
    *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
)

#: Takes any number of the requests of ModelInfer, and gives any number of messages for each.
STREAM = "ModelStreamInfer"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in ("bool", "string", "bytes", "int32", "int64", "uint32", "uint64", "float", "double")
}


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="weft/serving/open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    messages: dict[str, Any] = {}
    # Messages within others come first: whoever is named first makes the outer one.
    for name, body in re.findall(r"^([\w.]+) \{(.*?)\}", _MESSAGES, re.DOTALL | re.MULTILINE):
        outer, _, inner = name.rpartition(".")
        message = _message(file, messages, outer or inner)
        if outer:
            message = message.nested_type.add(name=inner)
        for row in re.findall(r"(repeated |map )?([\w.]+) (?:(\w+)\.)?(\w+) = (\d+)", body):
            _add_field(message, f".{PACKAGE}.{name}", *row)
    return file


def _message(file: Any, messages: dict[str, Any], name: str) -> Any:
    if name not in messages:
        messages[name] = file.message_type.add(name=name)
    return messages[name]


def _add_field(
    message: Any, full_name: str, kind: str, type_name: str, choice: str, name: str, number: str
) -> None:
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind:
        field.label = _Field.LABEL_REPEATED
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{type_name}"
    if kind == "map ":
        # A map is a list of entries of a message of its own.
        entry = "".join(map(str.capitalize, name.split("_"))) + "Entry"
        row = message.nested_type.add(name=entry)
        row.options.map_entry = True
        row.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
        row.field.add(
            name="value",
            number=2,
            label=_Field.LABEL_OPTIONAL,
            type=_Field.TYPE_MESSAGE,
            type_name=field.type_name,
        )
        field.type_name = f"{full_name}.{entry}"
    if choice:
        if not message.oneof_decl:
            message.oneof_decl.add(name=choice)
        field.oneof_index = 0


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_described())


def message(name: str) -> Any:
    """The class of a message, as ``ModelInferRequest``."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

"""Writes every_type.safetensors with the reference implementation (PyPI safetensors 0.8); nothing runs this at test time."""
import ctypes
import os

import safetensors

SIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1,
         "bool": 1}


def main():
    specs, buffers = {}, []
    for dtype, size in SIZES.items():
        for name, shape in (("b", [2, 3]), ("a", [])):
            count = 6 if shape else 1
            # The test computes the same bytes.
            data = bytes((7 * i + size) % (2 if dtype == "bool" else 251) for i in range(count * size))
            buffers.append(ctypes.create_string_buffer(data, len(data)))
            specs[f"{name}.{dtype}"] = safetensors.TensorSpec(
                dtype=dtype, shape=shape, data_ptr=ctypes.addressof(buffers[-1]), data_len=len(data))
    buffers.append(ctypes.create_string_buffer(1))
    specs["empty"] = safetensors.TensorSpec(dtype="float32", shape=[0, 4], data_ptr=ctypes.addressof(buffers[-1]), data_len=0)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "every_type.safetensors")
    safetensors.serialize_file(specs, path, {"format": "pt"})


main()

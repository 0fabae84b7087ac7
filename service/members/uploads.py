"""An uploaded file on its way to disk: streamed, with a limit, as the whole body or as one part of a form."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from service.db import new_id
from service.errors import InvalidInput

LARGEST_FILE = 200 * 1024 * 1024
CHUNK = 1 << 20


async def _limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body, piece by piece; stops reading where it is more than `most` bytes, whatever its length was said to be."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise HTTPException(413, f"The file is larger than {most // 1024 // 1024} MB. Split it.")
        yield piece


def _new_file(folder: Path) -> tuple[Path, BinaryIO]:
    path = folder / f"upload-{new_id()}.csv"
    return path, path.open("wb")


async def receive_file(request: Request, folder: Path, *, most: int = LARGEST_FILE) -> Path:
    """The request's file, now in `folder`: the body itself, or the first file of a multipart form. The caller moves or deletes it.

    Raises InvalidInput when there is none, and answers 413 when it is too large.
    """
    path, file = _new_file(folder)
    try:
        with file:
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                await _from_form(request, file, most)
            else:
                async for piece in _limited(request, most):
                    file.write(piece)
            _check_size(file.tell())
    except BaseException:
        path.unlink()
        raise
    return path


def _check_size(size: int) -> None:
    if size == 0:
        raise InvalidInput("The file is empty. Send the CSV as the body, or as a file of a multipart form.")


async def _from_form(request: Request, file: BinaryIO, most: int) -> None:
    try:
        form = await MultiPartParser(request.headers, _limited(request, most), max_files=1, max_fields=20).parse()
    except MultiPartException as error:
        raise InvalidInput("The form can't be read; send one file.") from error
    try:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                while piece := await part.read(CHUNK):
                    file.write(piece)
                return
        raise InvalidInput("The form holds no file.")
    finally:
        await form.close()

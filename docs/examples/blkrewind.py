"""blkrewind for Python: snapshots and rollback of block devices.

    with Store("/var/lib/blkrewind", create=True) as store:
        store.snapshot("/dev/loop0", name="before")
        with store.open("before") as snapshot:      # a file that can only be read
            snapshot.seek(512)
            sector = snapshot.read(512)
        store.rollback("/dev/loop0", "before")
        store.undo("/dev/loop0")

A binding by cffi (Debian: python3-cffi) of the installed C interface: the declarations are read from
blkrewind/blkrewind.h, whose comments explain each call, and nothing is compiled. The header and the
library are found by pkg-config. Every call may be made by several threads; other threads of Python
run meanwhile.
"""

import io
import re
import subprocess
import types

import cffi


def _pkg_config(variable):
    command = ["pkg-config", "--variable=" + variable, "blkrewind"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _declarations(header):
    """What of the header is C, without what the preprocessor does."""
    with open(header, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^#ifdef __cplusplus.*?^#(else|endif)", "", text, flags=re.S | re.M)
    text = re.sub(r"^ *#(?:.*\\\n)*.*$", "", text, flags=re.M)
    return text.replace("BLKREWIND_API ", "")


def _version(header):
    with open(header, encoding="utf-8") as file:
        return dict(re.findall(r"BLKREWIND_VERSION_(\w+) (\d+)", file.read()))


_include = _pkg_config("includedir") + "/blkrewind/"
_made_for = _version(_include + "version.h")
_ffi = cffi.FFI()
_ffi.cdef(_declarations(_include + "blkrewind.h"))
# Before 1.0 the minor version is part of the name.
_soname = "libblkrewind.so." + (
    "0." + _made_for["MINOR"] if _made_for["MAJOR"] == "0" else _made_for["MAJOR"])
_lib = _ffi.dlopen(_pkg_config("libdir") + "/" + _soname)


def _text(chars):
    return _ffi.string(chars).decode("utf-8", "surrogateescape")


def _chars(text):
    """None stays NULL."""
    if text is None:
        return _ffi.NULL
    return _ffi.new("char[]", str(text).encode("utf-8", "surrogateescape"))


def version():
    return _text(_lib.blkrewind_version())


class Error(Exception):
    """A call failed.

    code: "Busy", "Integrity", ...; errno: of the system call, or 0; api_code: of the ResetDisk API,
    or ""; remedy: what to do; extent: (offset, length) of what the message names, or None.
    """

    def __init__(self, code, error):
        self.code = _text(_lib.blkrewind_code_name(code))
        self.errno = _lib.blkrewind_error_errno(error)
        self.api_code = _text(_lib.blkrewind_error_api_code(error))
        self.message = _text(_lib.blkrewind_error_message(error))
        self.remedy = _text(_lib.blkrewind_error_remedy(error))
        extent = _ffi.new("blkrewind_extent *")
        found = _lib.blkrewind_error_extent(error, extent)
        self.extent = _extent(extent) if found else None
        super().__init__(self.code + ": " + (self.message or "out of memory"))


def _call(function, *arguments):
    """Calls a function whose last parameter is the error."""
    error = _ffi.new("blkrewind_error **")
    code = function(*arguments, error)
    if code == _lib.BLKREWIND_OK:
        return
    try:
        raise Error(code, error[0])
    finally:
        _lib.blkrewind_error_free(error[0])


def _options(kind, **values):
    """Options of this kind, and what must live as long as they do."""
    options = _ffi.new(kind + " *")
    options.size = _ffi.sizeof(kind)
    kept = [options]
    for name, value in values.items():
        if value is None or isinstance(value, str):
            value = _chars(value)
            kept.append(value)
        setattr(options, name, value)
    return kept


# ---- Callbacks: an exception in one ends the call, and is raised by it.


class _Visitor:
    def __init__(self, function):
        self._function = function
        self._raised = None
        self.handle = _ffi.new_handle(self)

    def visit(self, *arguments):
        try:
            return int(bool(self._function(*arguments)))
        except BaseException as raised:  # noqa: it is raised again
            self._raised = raised
            return 1

    def call(self, function, *arguments):
        try:
            _call(function, *arguments)
        except Error:
            if self._raised is None:
                raise
        if self._raised is not None:
            raise self._raised


@_ffi.callback("blkrewind_progress_callback")
def _on_progress(user, progress):
    return _ffi.from_handle(user).visit(
        _text(progress.phase), progress.done_bytes, progress.total_bytes)


@_ffi.callback("blkrewind_visit_disk")
def _on_disk(user, disk, snapshots, count):
    info = _value(disk)
    info.trouble = Error(_lib.blkrewind_error_code(disk.trouble), disk.trouble) if (
        disk.trouble != _ffi.NULL) else None
    info.snapshots = [_value(snapshots[i]) for i in range(count)]
    return _ffi.from_handle(user).visit(info)


@_ffi.callback("blkrewind_visit_extent")
def _on_extent(user, extent, data):
    return _ffi.from_handle(user).visit(_extent(extent) + (bool(data),))


@_ffi.callback("blkrewind_visit_change")
def _on_change(user, extent):
    return _ffi.from_handle(user).visit(_extent(extent))


_log = None


@_ffi.callback("blkrewind_log_callback")
def _on_log(_user, level, text):
    _log(level, _text(text))


def set_log(function, level=3):
    """Messages up to this level (1 errors, 2 warnings, 3 what happens, 4 all) are passed to
    function(level, text); None: the library logs nothing."""
    global _log
    if function is None:
        _lib.blkrewind_set_log(0, _ffi.NULL, _ffi.NULL)
    _log = function
    if function is not None:
        _lib.blkrewind_set_log(level, _on_log, _ffi.NULL)


# ---- Values


def _extent(extent):
    return (extent.offset_bytes, extent.length_bytes)


def _value(struct):
    """The members of a receipt or an info."""
    value = types.SimpleNamespace()
    kind = _ffi.typeof(struct).item
    for name, field in kind.fields:
        member = getattr(struct, name)
        if field.type.cname == "char *" or field.type.cname == "char const *":
            member = _text(member)
        elif name == "tags":
            member = {_text(tag.key): _text(tag.value) for tag in member[0:struct.tag_count]}
        elif name == "unreadable":
            member = [_extent(extent) for extent in member[0:struct.unreadable_count]]
        elif name == "trackers":
            member = [_value(tracker) for tracker in member[0:struct.tracker_count]]
        if name not in ("size", "tag_count", "unreadable_count", "tracker_count"):
            setattr(value, name, member)
    return value


class Snapshot(io.RawIOBase):
    """A snapshot as a file that can only be read, at any position and by several threads (pread).

    While it is open it cannot be deleted. io.BufferedReader(snapshot) reads ahead.
    """

    def __init__(self, engine, snapshot, target):
        super().__init__()
        self._reader = _ffi.NULL
        reader = _ffi.new("blkrewind_reader **")
        _call(_lib.blkrewind_open_snapshot, engine, _chars(snapshot), _chars(target), reader)
        self._reader = reader[0]
        self.info = _value(_lib.blkrewind_reader_info(self._reader))
        self.size = self.info.device_bytes
        self._at = 0

    def _open(self):
        if self.closed:
            raise ValueError("the snapshot was closed")
        return self._reader

    def close(self):
        if not self.closed:
            _lib.blkrewind_reader_close(self._reader)
            self._reader = _ffi.NULL
        super().close()

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer):
        count = self._read_at(memoryview(buffer).cast("B"), self._at)
        self._at += count
        return count

    def pread(self, length, offset):
        """Bytes at this offset; fewer than `length` at the end. Leaves the position as it is."""
        into = bytearray(min(length, max(0, self.size - offset)))
        self._read_at(memoryview(into), offset)
        return bytes(into)

    def _read_at(self, view, offset):
        count = min(len(view), max(0, self.size - offset))
        if count > 0:
            with _ffi.from_buffer(view, require_writable=True) as into:
                _call(_lib.blkrewind_reader_read, self._open(), into, count, offset)
        return count

    def extents(self):
        """(offset, length, has data) of the whole snapshot, in ascending order."""
        found = []
        visitor = _Visitor(found.append)
        visitor.call(_lib.blkrewind_reader_extents, self._open(), _ffi.NULL, _on_extent,
                     visitor.handle)
        return found

    def changed_since(self, other):
        """(offset, length) of what may differ from another snapshot of the disk."""
        found = []
        visitor = _Visitor(found.append)
        visitor.call(_lib.blkrewind_reader_changed_since, self._open(), other._open(), _ffi.NULL,
                     _on_change, visitor.handle)
        return found


class Store:
    """A store that is open. Snapshots that were opened stay usable when it is closed.

    A target is a block device, an image file or a disk id. A snapshot is an id, a name or "latest".
    progress(phase, done_bytes, total_bytes) is called about ten times per second; where it returns
    something true, the call is cancelled, and raises an Error with the code "Cancelled".
    """

    def __init__(self, path, create=False):
        self._engine = _ffi.NULL
        engine = _ffi.new("blkrewind_engine **")
        options = _options("blkrewind_open_options", store=str(path), create=create)
        _call(_lib.blkrewind_open, options[0], engine)
        self._engine = engine[0]

    def _open(self):
        if self._engine == _ffi.NULL:
            raise ValueError("the store was closed")
        return self._engine

    def close(self):
        engine, self._engine = self._engine, _ffi.NULL
        _lib.blkrewind_close(engine)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def __del__(self):
        self.close()

    def _watched(self, function, names, options, progress, kind):
        """A call with progress and a receipt."""
        visitor = _Visitor(progress or (lambda *_progress: False))
        monitor = _options("blkrewind_monitor", progress=_on_progress, user=visitor.handle)
        receipt = _ffi.new(kind + " **")
        names = [_chars(name) for name in names]
        given = [options[0]] if options else []
        try:
            visitor.call(function, self._open(), *names, *given, monitor[0], receipt)
            return _value(receipt[0])
        finally:
            _lib.blkrewind_free(receipt[0])

    def snapshot(self, target, name=None, description=None, chunk_bytes=0, raw=False,
                 progress=None):
        options = _options("blkrewind_snapshot_options", name=name, description=description,
                           chunk_bytes=chunk_bytes, raw=raw)
        return self._watched(_lib.blkrewind_snapshot, [target], options, progress,
                             "blkrewind_snapshot_receipt")

    def delete(self, snapshot, progress=None):
        return self._watched(_lib.blkrewind_delete, [snapshot], None, progress,
                             "blkrewind_delete_receipt")

    def list(self, target=None):
        """The disks, each with its `snapshots`, oldest first."""
        found = []
        visitor = _Visitor(found.append)
        visitor.call(_lib.blkrewind_list, self._open(), _chars(target), _on_disk, visitor.handle)
        return found

    def open(self, snapshot, target=None):
        return Snapshot(self._open(), snapshot, target)

    def rollback(self, target, snapshot, progress=None, dry_run=False, undo=True):
        options = _options("blkrewind_rollback_options", dry_run=dry_run, without_undo=not undo)
        return self._watched(_lib.blkrewind_rollback, [target, snapshot], options, progress,
                             "blkrewind_rollback_receipt")

    def undo(self, target, progress=None):
        return self._watched(_lib.blkrewind_undo, [target], _options("blkrewind_undo_options"),
                             progress, "blkrewind_rollback_receipt")

    def resume(self, target, progress=None):
        return self._watched(_lib.blkrewind_resume, [target], _options("blkrewind_undo_options"),
                             progress, "blkrewind_rollback_receipt")

    def _tracked(self, function, target, *arguments):
        info = _ffi.new("blkrewind_tracking_info **")
        _call(function, self._open(), _chars(target), *arguments, info)
        try:
            return _value(info[0])
        finally:
            _lib.blkrewind_free(info[0])

    def track(self, target):
        """Starts to record where the target changes."""
        return self._tracked(_lib.blkrewind_track_start, target, _lib.BLKREWIND_CHANGES_AUTO,
                             _ffi.NULL)

    def stop_tracking(self, target):
        _call(_lib.blkrewind_track_stop, self._open(), _chars(target))

    def tracking(self, target):
        return self._tracked(_lib.blkrewind_track_status, target)

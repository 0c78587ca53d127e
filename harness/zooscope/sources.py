"""Where packages come from: shipped ids, zips, folders, rdf.yaml files, URLs, and the ids of BioImage.IO.

What is fetched lies in the cache afterwards and is used offline from then on.
"""

import difflib
import hashlib
import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from zooscope import atomic, plugins
from zooscope.cache import cache_folder, locked
from zooscope.data.fetch import download, download_limit
from zooscope.errors import PackageError, UsageError
from zooscope.package_files import RDF_NAMES, PackageFiles, read_rdf
from zooscope.package_weights import FORMATS, missing_runtime
from zooscope.runkey import digest_of
from zooscope.sample import Task

COLLECTION = "https://hypha.aicell.io/bioimage-io/artifacts/{bioimageio_id}/files/rdf.yaml"
"""Where BioImage.IO keeps a model's description, as bioimageio.spec has it; its files lie beside, `?version=` picks a
version. BIOIMAGEIO_COLLECTION_HTTP_PATTERN, bioimageio.spec's own variable, names another place."""

_NICKNAME = re.compile(r"(?P<id>[a-z]+(-[a-z]+)+)(/(?P<version>[\w.-]+))?")
_WEB = ("http://", "https://")


@dataclass(frozen=True)
class Named:
    """A file that a description names: its name or URL, its sha256 if stated, whether nothing runs without it."""

    source: str
    sha256: str | None
    needed: bool


def find_package(source: str | Path) -> Path:
    """Path of a package, a zip or a folder; fetched if need be.

    Parameters
    ----------
    source : id of a shipped model (it comes before a file of that name), zip, folder, rdf.yaml, URL of a zip or of an
        rdf.yaml (whose files lie beside it), or id of BioImage.IO, as in "affable-shark" or "affable-shark/1.2".

    Raises
    ------
    UsageError : no such package or id. PackageError : one that cannot be fetched, with the reason.
    """
    text = str(source)
    if text in plugins.names("models"):
        return plugins.load("models", text)()
    if text.startswith(_WEB):
        return _from_url(text, name=_name_of(text))
    path = Path(source)
    if path.is_file() and path.name.endswith((".yaml", ".yml")):
        return _complete(path)
    if (path.is_file() and path.suffix == ".zip") or any((path / name).is_file() for name in RDF_NAMES):
        return _complete(path)
    shipped = plugins.names("models")
    nickname = _NICKNAME.fullmatch(text)
    # a shipped model's name, mistyped, is not asked of the network
    if nickname and not path.exists() and not difflib.get_close_matches(nickname["id"], shipped, cutoff=0.85):
        return _from_collection(nickname["id"], nickname["version"])
    what = "is no package" if path.exists() else "does not exist"
    known = f"a .zip, a folder with {RDF_NAMES[0]}, or one of the shipped: {', '.join(shipped)}"
    raise UsageError(f"model '{source}' {what}: {known}; a URL or an id of BioImage.IO may stand here too")


def shipped_models(task: Task | None = None) -> dict[str, str]:
    """Ids of shipped models, of a task or of all, and what each does, as far as they say so."""
    found: dict[str, str] = {}
    for name in plugins.names("models"):
        try:
            model = plugins.load("models", name)
        except (ImportError, AttributeError):  # another distribution's fault, met again where that model is asked for
            model = None
        if task in (None, getattr(model, "task", Task.INSTANCE_SEGMENTATION)):
            found[name] = getattr(model, "summary", "")
    return found


def source_name(source: str) -> str:
    """What a package is called that could not be fetched."""
    return _name_of(source) if source.startswith(_WEB) else source.replace("/", "-")


def _from_collection(id: str, version: str | None) -> Path:
    name = f"{id}-{version}" if version else id
    mirrored = _in_mirror(f"{name}.zip")
    if mirrored:
        return mirrored
    pattern = os.environ.get("BIOIMAGEIO_COLLECTION_HTTP_PATTERN", COLLECTION)
    url = pattern.format(bioimageio_id=id)
    return _from_url(f"{url}?version={version}" if version else url, name=name)


def _from_url(url: str, *, name: str) -> Path:
    """The package at a URL, which may state its own sha256 as `#sha256=...`."""
    url, _, fragment = url.partition("#")
    sha256 = fragment.removeprefix("sha256=") or None
    mirrored = _in_mirror(PurePosixPath(urllib.parse.urlparse(url).path).name)
    if mirrored and mirrored.suffix == ".zip":
        return mirrored
    folder = cache_folder("packages", digest_of(url, sha256)[:16])
    package, zipped = folder / name, folder / name / f"{name}.zip"
    with locked(folder):
        if not package.is_dir():
            with atomic.new_folder(package) as building:
                described = building / RDF_NAMES[0]
                _fetch(url, described, sha256)
                with described.open("rb") as file:
                    begin = file.read(4)
                if begin == b"PK\3\4":
                    described.rename(building / zipped.name)
                else:
                    _gather(building, url)
    return _complete(zipped) if zipped.is_file() else package


def _complete(path: Path) -> Path:
    """The package itself, or in the cache a folder of it with what its description names by URL or lies elsewhere."""
    direct = path.is_file() and path.suffix != ".zip"
    try:
        files = PackageFiles(path.parent if direct else path)
        if direct and path.name not in RDF_NAMES:
            raise UsageError(f"model '{path}': a description is named {', '.join(RDF_NAMES)}; name the file so")
        if direct and path.name != files.rdf_name():
            raise UsageError(f"model '{path}': {files.rdf_name()} lies beside it and comes first; remove one of them")
        rdf = read_rdf(files)
        missing = [item for item in _named(rdf) if item.source.startswith(_WEB)]
    except PackageError:
        return path.parent if direct else path  # whoever opens it will say why
    whole = path.parent if direct else path
    if not missing:
        return whole
    content = files.read(files.rdf_name())
    folder = cache_folder("packages", digest_of(str(whole.resolve()), content.decode("utf-8", "replace"))[:16])
    target = folder / (whole.stem if whole.is_file() else whole.resolve().name)
    with locked(folder):
        if not target.is_dir():
            with atomic.new_folder(target) as building:
                for name in files.names:
                    _inside(building, name).write_bytes(files.read(name))
                _gather(building, None)
    return target


def _gather(folder: Path, url: str | None) -> None:
    """Fetch what the description in a folder names; a URL in it becomes a name in the folder."""
    files = PackageFiles(folder)
    rdf = read_rdf(files)
    local: dict[str, str] = {}
    for item in _named(rdf):
        remote = item.source.startswith(_WEB)
        if not remote and (url is None or item.source.removeprefix("./") in files.names):
            continue
        if remote:
            name = f"{digest_of(item.source)[:8]}-{_name_of(item.source, stem=False)}"
            local[item.source] = name
        else:
            name = item.source.removeprefix("./")
        target = _inside(folder, name)
        if target.exists():
            continue
        try:
            _fetch(item.source if remote else _beside(str(url), name), target, item.sha256)
        except PackageError:
            if item.needed:
                raise
            local.pop(item.source, None)
    if local:
        text = yaml.safe_dump(_renamed(rdf, local), sort_keys=False, allow_unicode=True)
        atomic.write_text(folder / files.rdf_name(), text)


def _fetch(url: str, target: Path, sha256: str | None) -> None:
    """From the mirror where a digest says that it is the right file, else from the URL itself."""
    name = PurePosixPath(urllib.parse.urlparse(url).path).name
    mirrored = _in_mirror(name) if sha256 and not name.endswith(".zip") else None
    if mirrored and hashlib.sha256(mirrored.read_bytes()).hexdigest() == sha256:
        atomic.write_bytes(target, mirrored.read_bytes())
        return
    failure = download(url, target, sha256, max_bytes=download_limit())
    if failure:
        raise PackageError(f"cannot be fetched: {failure}")


def _in_mirror(file: str) -> Path | None:
    """A file of the mirror's folder `packages`; one at a URL is fetched to the cache."""
    mirror = os.environ.get("ZOOSCOPE_MIRROR", "")
    if not mirror or not file:
        return None
    if not mirror.startswith(_WEB):
        path = Path(mirror).expanduser() / "packages" / file
        return path if path.is_file() else None
    if not file.endswith(".zip"):
        return None
    folder = cache_folder("packages", digest_of(mirror, file)[:16])
    with locked(folder):
        target = folder / file
        url = f"{mirror.rstrip('/')}/packages/{file}"
        if target.is_file() or download(url, target, None, max_bytes=download_limit()) is None:
            return target
    return None


def _named(rdf: Mapping[str, Any]) -> Iterator[Named]:
    """The files that running a model takes, and its documentation."""
    weights = rdf.get("weights")
    for name, entry in weights.items() if isinstance(weights, Mapping) else ():
        if name not in FORMATS or not isinstance(entry, Mapping) or missing_runtime(name):
            continue
        yield from _file(entry, needed=True)
        architecture = entry.get("architecture")
        if isinstance(architecture, str) and ":" in architecture.removeprefix("https:").removeprefix("http:"):
            yield Named(architecture.rpartition(":")[0], entry.get("architecture_sha256"), True)
        else:
            yield from _file(architecture, needed=True)
    for tensors in ("inputs", "outputs"):
        listed = rdf.get(tensors)
        for tensor in listed if isinstance(listed, list) else ():
            if isinstance(tensor, Mapping):
                yield from _file(tensor.get("test_tensor"), needed=False)
                for operation in (*(tensor.get("preprocessing") or ()), *(tensor.get("postprocessing") or ())):
                    yield from _file(operation, needed=True)
        apart = rdf.get(f"test_{tensors}")
        for name in apart if isinstance(apart, list) else ():
            yield from _file(name, needed=False)
    yield from _file(rdf.get("documentation"), needed=False)


def _file(entry: Any, *, needed: bool) -> Iterator[Named]:
    if isinstance(entry, str):
        yield Named(entry, None, needed)
    elif isinstance(entry, Mapping) and isinstance(entry.get("source"), str):
        sha256 = entry.get("sha256")
        yield Named(entry["source"], sha256 if isinstance(sha256, str) else None, needed)


def _renamed(value: Any, local: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _renamed(item, local) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, local) for item in value]
    if isinstance(value, str):
        url, _, name = value.rpartition(":")  # format 0.4 names code as file:callable
        return local.get(value) or (f"{local[url]}:{name}" if url in local else value)
    return value


def _beside(url: str, name: str) -> str:
    """URL of a file beside another; what picks a version stays."""
    parts = urllib.parse.urlparse(url)
    path = f"{parts.path.rpartition('/')[0]}/{urllib.parse.quote(name)}"
    return urllib.parse.urlunparse(parts._replace(path=path))


def _inside(folder: Path, name: str) -> Path:
    """Where a file lies in a folder; PackageError for a name that leads out of it."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in name or not pure.parts:
        raise PackageError(f"names the file '{name}', which would lie outside its folder; refused")
    path = folder.joinpath(*pure.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _name_of(url: str, *, stem: bool = True) -> str:
    """What a package or file at a URL is called: BioImage.IO's id, a zip's name, the folder of an rdf.yaml."""
    parts = [part for part in PurePosixPath(urllib.parse.unquote(urllib.parse.urlparse(url).path)).parts if part != "/"]
    if not stem:
        return re.sub(r"[^\w.-]", "_", parts[-1]) if parts else "file"
    if parts and parts[-1].endswith(".zip"):
        return re.sub(r"[^\w.-]", "_", parts[-1].removesuffix(".zip"))
    named = [part for part in parts[:-1] if part not in ("files", "content", "package")]
    return re.sub(r"[^\w.-]", "_", named[-1]) if named else "package"

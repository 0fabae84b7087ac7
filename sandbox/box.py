"""One sandbox: its settings, clock, records and moving parts, handed to every operation."""

import gc

from sandbox.clock import SandboxClock
from sandbox.config import SandboxConfig
from sandbox.engine import Engine
from sandbox.faults import FaultBook
from sandbox.ids import md5_hex
from sandbox.ledger import Ledger
from sandbox.records import Audience
from sandbox.state import State
from sandbox.store import Doc, Store
from sandbox.webhooks import Poster


class Sandbox:
    """Everything an operation may touch. `start` and `stop` belong to the running event loop."""

    def __init__(self, config: SandboxConfig) -> None:
        """Open the store, load the state and make the default audience when there is none."""
        self.config = config
        self.store = Store(config.data_dir)
        self.clock = SandboxClock(self.store, config.clock_file)
        self.ledger = Ledger(self.store)
        self.faults = FaultBook(config.seed)
        self._load()

    def _load(self) -> None:
        gc.disable()  # a hundred thousand records in one go: nothing of them is garbage
        self.state = State(self.store, self.config)
        gc.enable()
        self.engine = Engine(self)
        self.poster = Poster(self)
        if not self.state.audiences.rows:
            self.add_audience(self.config.list_id, self.config.list_name)
        self.store.commit()

    def reset(self) -> None:
        """Forget everything except the settings; the clock returns to real time."""
        every_tick = self.engine.every_tick
        self.store.clear()
        self.faults.clear()
        self.clock = SandboxClock(self.store, self.config.clock_file)
        self._load()
        self.engine.every_tick = every_tick

    def add_audience(self, list_id: str, name: str) -> Audience:
        """Make an audience with Mailchimp's four default merge fields."""
        audience = Audience(
            id=list_id,
            name=name,
            created_at=self.clock.now(),
            from_email=self.config.from_email,
            from_name=name,
            contact={
                "company": name,
                "address1": "1 High Street",
                "address2": "",
                "city": "Leeds",
                "state": "",
                "zip": "LS1 1AA",
                "country": "GB",
                "phone": "",
            },
            web_id=self.store.next_number("web_id", 1001),
            double_optin=self.config.double_optin,
            marketing_permissions=self.config.marketing_permissions,
        )
        if audience.marketing_permissions:
            audience.permission_texts = {md5_hex(f"{list_id}:{text}")[:10]: text for text in ("Email", "Direct Mail")}
        self.state.audiences.save(list_id, audience)
        for tag, title, kind in (
            ("FNAME", "First Name", "text"),
            ("LNAME", "Last Name", "text"),
            ("ADDRESS", "Address", "address"),
            ("PHONE", "Phone Number", "phone"),
        ):
            self.add_merge_field(list_id, {"tag": tag, "name": title, "type": kind})
        return audience

    def add_merge_field(self, list_id: str, given: Doc) -> Doc:
        """Add a merge field to an audience; `given` has tag, name and type at least."""
        number = self.store.next_number(f"merge_id:{list_id}")
        doc: Doc = {
            "merge_id": number,
            "tag": given["tag"],
            "name": given["name"],
            "type": given["type"],
            "required": bool(given.get("required", False)),
            "default_value": str(given.get("default_value", "")),
            "public": bool(given.get("public", False)),
            "display_order": int(given.get("display_order") or number + 1),
            "options": {"size": 25} | dict(given.get("options") or {}),
            "help_text": str(given.get("help_text", "")),
            "list_id": list_id,
        }
        self.state.touch(f"merge:{list_id}")
        return self.state.table("merge_field").save(f"{list_id}/{number}", doc)

    def merge_fields(self, list_id: str) -> list[Doc]:
        """Return the merge fields of an audience in order."""
        table = self.state.table("merge_field")
        version = (list_id, self.state.versions.get(f"merge:{list_id}", 0))
        found: list[Doc] | None = self.state.cached("merge_fields", version)
        if found is None:
            found = [doc for key, doc in table.rows.items() if key.startswith(f"{list_id}/")]
            self.state.keep("merge_fields", version, found)
        return found

    def instance(self) -> str:
        """Return a fresh id for an error body's `instance`."""
        text = md5_hex(f"{self.config.seed}:{self.store.next_number('instance')}")
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    async def start(self) -> None:
        """Begin the background work: due actions and webhook posting."""
        self.engine.start()

    async def stop(self) -> None:
        """End the background work and close the store."""
        await self.engine.stop()
        await self.poster.close()
        self.store.close()

"""Tryton itself: its Python packages, its configuration, and the process that serves the databases."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from names import ADMIN, USERS
from postgres import Failed, listens, run

HERE = pathlib.Path(__file__).resolve().parent
START_LIMIT = 300.0
# Two processes of four threads, as a small installation has.
WORKERS, THREADS = 2, 4


class Server:
    """One server process for every database."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.venv = folder / "venv"
        self.config = folder / "trytond.conf"
        self.pid_file, self.log = folder / "server.pid", folder / "server.log"

    def install(self):
        """Makes the virtual environment, once for each list of packages; says whether it had to."""
        wanted = HERE / "requirements.txt"
        digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
        stamp = self.venv / "requirements.sha256"
        if stamp.is_file() and stamp.read_text() == digest:
            return False
        shutil.rmtree(self.venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(self.venv)],
            hint="Python's venv is missing: apt-get install python3-venv")
        run([str(self.venv / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "--requirement", str(wanted)],
            hint="the package index must be reachable; pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS) are obeyed")
        stamp.write_text(digest)
        return True

    def configure(self, uri):
        """Writes trytond.conf; mail goes nowhere."""
        self.config.touch(mode=0o600)
        self.config.write_text(
            f"[database]\nuri = {uri}\n[web]\nlisten = 127.0.0.1:{self.port}\n[email]\nuri = smtp://127.0.0.1:1\n")

    def activate(self, database, modules):
        """Makes the schema in an empty database, and activates the modules."""
        passfile = self.folder / "admin.pass"
        passfile.touch(mode=0o600)
        passfile.write_text(ADMIN["password"])
        command = [str(self.venv / "bin/trytond-admin"), "--config", str(self.config), "--database", database]
        environment = os.environ | {"TRYTONPASSFILE": str(passfile), "TZ": "UTC"}
        run([*command, "--all", "--email", "admin@example.com"], env=environment)
        run([*command, "--update", *modules, "--activate-dependencies"], env=environment)

    def load(self, database, role, seed, facts):
        """Loads the seed in a process of its own, because Tryton keeps one pool a process; what it told."""
        command = [str(self.venv / "bin/python"), str(HERE / "load.py"), database, role, str(seed), str(facts)]
        environment = {"TRYTOND_CONFIG": str(self.config), "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
        return run(command, env=os.environ | environment,
                   hint="the loader and this version of Tryton or of the seed do not fit: the last lines say where")

    def process(self):
        """The process of ours that serves, or None."""
        try:
            pid = int(self.pid_file.read_text())
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self.venv).encode() in command else None

    def start(self, databases):
        """Starts the server, and waits until each database lets the gateway in."""
        if listens("127.0.0.1", self.port):
            raise Failed(f"port {self.port} is taken by somebody else: set ORDERWAY_TRYTON_PORT")
        environment = os.environ | {
            "TRYTOND_CONFIG": str(self.config), "TRYTOND_DATABASE_NAMES": ",".join(databases), "TZ": "UTC"}
        command = [str(self.venv / "bin/python"), "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}", "--workers",
                   str(WORKERS), "--worker-class", "gthread", "--threads", str(THREADS), "--timeout", "120",
                   "--keep-alive", "75", "trytond.application:app"]
        with open(self.log, "wb") as log:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True, cwd=self.folder)
        self.pid_file.write_text(str(process.pid))
        for database in databases:
            self.wait_for(database, process)

    def wait_for(self, database, process):
        """Waits until a database answers a login."""
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if process.poll() is not None:
                raise Failed(f"the server ended at once; {self.log} says why")
            if self.login(database):
                return
            time.sleep(0.3)
        raise Failed(f"the database {database} let nobody in for {START_LIMIT:.0f} s; {self.log} may say why")

    def stop(self):
        """Stops our server and waits until it is gone; says whether there was one."""
        pid = self.process()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + 60
            # Its port is free before its workers are gone.
            while self.process() == pid:
                if time.monotonic() > end:
                    raise Failed(f"the server {pid} does not end: kill -9 {pid}, and run this again")
                time.sleep(0.1)
        self.pid_file.unlink(missing_ok=True)
        return pid is not None

    def login(self, database):
        """Whether the gateway's user can log in. A wrong password would lock the account: it is never guessed."""
        user = USERS["gateway"]
        body = {"id": 0, "method": "common.db.login", "params": [user["login"], {"password": user["password"]}, "en"]}
        request = urllib.request.Request(
            f"{self.url}/{database}/rpc/", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bool(json.load(answer).get("result"))
        except (urllib.error.URLError, OSError, ValueError):
            return False

"""Make the pictures in docs/images/ from demo data: `make screenshots`.

It needs Chromium. The data is in DATA_DIR, which `make screenshots` sets to a folder of its own.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
#: A copy of docs/examples: the pages show the full paths of files.
EXAMPLES = Path("/tmp/payloads")

WIDTH, HEIGHT = 1440, 800

#: The largest picture, in bytes.
LIMIT = 200_000


def manage(*arguments: str, may_fail: bool = False) -> None:
    """Run a command of manage.py."""
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, check=not may_fail, stdout=subprocess.DEVNULL)


def prepare() -> None:
    """Load the demo data, a record that goes to quarantine, and a run that is held."""
    shutil.copytree(ROOT / "docs" / "examples", EXAMPLES, dirs_exist_ok=True)
    manage("demo")
    manage("ingest", "uzum", f"{EXAMPLES}/products.jsonl")
    manage("ingest", "uzum", f"{EXAMPLES}/products-without-prices.jsonl", may_fail=True)
    manage("db_backup")
    shutil.rmtree(EXAMPLES)


@contextmanager
def site() -> Iterator[str]:
    """Run the site; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | {"HTTPS": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"{address}/healthz")
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("The site did not start: run `make run` to see why.")


# The pages


def open_overview(page: Page) -> None:
    """Open the overview."""
    page.goto("/")


def open_price_history(page: Page) -> None:
    """Open a product that several sellers offer, at its price history."""
    page.goto(f"/ecommerce/product/{_product_with_changes()}/change/")
    _scroll_to(page, "canvas[data-chart]")


def open_products(page: Page) -> None:
    """Open the list of products."""
    page.goto("/ecommerce/product/?platform=uzum")


def open_quarantined_record(page: Page) -> None:
    """Open the record that could not be loaded."""
    page.goto("/ecommerce/quarantinedrecord/")
    _open_first_row(page)


def open_held_run(page: Page) -> None:
    """Open the run that a gate holds."""
    page.goto("/ecommerce/loadrun/?status=held")
    _open_first_row(page)


def open_lot(page: Page) -> None:
    """Open a completed lot."""
    page.goto("/procurement/lot/?status=completed")
    _open_first_row(page)


def open_question(page: Page) -> None:
    """Open the price history of a product, as a question."""
    page.goto("/questions/ecommerce/price_history/")


PICTURES: dict[str, Callable[[Page], None]] = {
    "overview": open_overview,
    "price-history": open_price_history,
    "products": open_products,
    "quarantine-record": open_quarantined_record,
    "held-run": open_held_run,
    "lot": open_lot,
    "question": open_question,
}


#: The product whose few offers changed their prices most often.
_CHANGED_MOST = """
SELECT o.product_id
FROM ecommerce_offers o JOIN ecommerce_price_history h ON h.offer_id = o.id
GROUP BY o.product_id
HAVING count(DISTINCT o.id) BETWEEN 3 AND 4
ORDER BY count(*) DESC, o.product_id
LIMIT 1
"""


def _product_with_changes() -> str:
    command = [sys.executable, "manage.py", "dbshell", "--database", "ecommerce"]
    done = subprocess.run(
        [*command, "--", "-Atc", _CHANGED_MOST],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def _open_first_row(page: Page) -> None:
    page.locator("#result_list tbody th a, #result_list tbody td a").first.click()
    page.wait_for_url("**/change/**")


def _scroll_to(page: Page, selector: str) -> None:
    """Scroll so that an element, with its heading, is at the upper end of the window."""
    page.locator(f"{selector} >> visible=true").first.evaluate(
        "element => { element.scrollIntoView({block: 'start'}); window.scrollBy(0, -160); }"
    )


def take_pictures(address: str) -> None:
    """Open each page as the administrator, and write its picture."""
    password = (Path(os.environ["DATA_DIR"]) / "admin_password").read_text().strip()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(
            base_url=address, viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light"
        )
        # Pictures of invented products do not exist.
        page.route(lambda url: not url.startswith(address), lambda route: route.abort())
        page.goto("/login/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", password)
        page.click("button[type=submit]")
        page.wait_for_url("**/")
        for name, open_page in PICTURES.items():
            open_page(page)
            page.wait_for_load_state("networkidle")
            file = IMAGES / f"{name}.png"
            page.screenshot(path=file)
            if file.stat().st_size > LIMIT:
                raise SystemExit(f"{file} is larger than {LIMIT:,} bytes.")
            sys.stdout.write(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB\n")
        browser.close()


if __name__ == "__main__":
    if "--no-data" not in sys.argv:
        prepare()
    with site() as address:
        take_pictures(address)

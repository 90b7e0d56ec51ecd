"""The page shows each check of the acceptance as it happens."""

import threading

from playwright.sync_api import Page, expect

from station.board import Board
from station.desk import SlotDesk
from station.model import LineView, SlotState, SlotView, StepView

STEPS = (StepView("configure", "Configure", "PASS", 3.0), StepView("accept", "Accept over OCPP", "running"))


def desk() -> SlotDesk:
    empty = SlotView("A", "pci-0000:00:14.0-usb-0:1.1", SlotState.EMPTY)
    made = SlotDesk(empty, Board(LineView("line-1", 1, (empty,))), threading.Event())
    made.show(state=SlotState.RUNNING, steps=STEPS)
    return made


def test_check_stands_with_the_running_step_only() -> None:
    shown = desk()
    shown.on_doing("remote start")
    assert [step.doing for step in shown.view.steps] == ["", "remote start"]
    shown.on_step("accept", "PASS", 1)
    assert [step.doing for step in shown.view.steps] == ["", ""]


def test_tile_names_the_check(page: Page, line) -> None:
    shown = desk()
    shown.on_doing("meter values")
    line.put("A", SlotState.RUNNING, steps=shown.view.steps)
    expect(page.locator('[data-slot="A"].frame .tile-doing')).to_have_text("meter values")

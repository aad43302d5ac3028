"""A drop folder that is moved takes its done folder along: what was filed there is found, and no disk is missed."""

from __future__ import annotations

from drop_world import DropWorld
from verify_world import filed, flip, found, look, lose, untouched


def move(world: DropWorld) -> None:
    goal = world.root / "elsewhere"
    world.folder.rename(goal)
    world.folder = goal
    world.configure()


def test_filed_copies_move_along_with_their_drop_folder(world: DropWorld) -> None:
    move(world)

    assert untouched(look(world))
    flip(filed(world)[0])
    assert found(look(world)) == {("filed", "differs")}


def test_they_are_put_back_from_where_they_are(world: DropWorld) -> None:
    move(world)
    lose(world, world.stored("SUB1_MR_20260301")[0])

    assert look(world, repair=True).repairs[0].done
    assert world.sync().exit_code == 0
    assert untouched(look(world))


def test_what_another_item_left_under_that_name_is_not_taken_for_it(world: DropWorld) -> None:
    """The former done folder is away, and the one of now has something of the same name."""
    (day,) = (world.folder / "done").iterdir()
    (world.folder / "done").rename(world.root / "away")
    world.configure(done=str(world.root / "other"))
    world.study(patient="SUB2", seed=2)
    world.sync()
    assert (world.root / "other" / day.name / "exam").is_dir()

    report = look(world)

    assert (report.exit_code, [error.code for error in report.errors]) == (7, ["XS-FOLDER-MISSING"])
    assert report.findings == []

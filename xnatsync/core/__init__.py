"""The pure core: facts and decisions.  Nothing here touches a disk, a network, a clock or a database."""

"""Other people's register allocators on our machine functions: what they are asked, and what becomes of the answer.

    text --> MachineFunc --adapted--> what the allocator can be asked --flat--> worker --flat--> Allocations --> Outcome

``dialect`` brings a function to what an allocator's own contract allows, ``flat`` writes it as words and reads the
answer, ``judging`` has our checker decide, and holds what the allocator's own checker says beside it. The function that
is judged is always the one that was asked, never the one before it was adapted.
"""

"""What the course checker says of a lab.yml and its board: code -> (English, Korean)."""

LAB = {
    "environment_unknown": (
        "there is no environment '{name}'; there are: {known}{meant}",
        "환경 '{name}'이(가) 없어요. 있는 것: {known}{meant_ko}",
    ),
    "cell_longer_than_total": (
        "one cell may run longer ({cell} s) than the whole notebook ({total} s); raise total_seconds",
        "셀 하나({cell}초)가 노트북 전체({total}초)보다 오래 돌 수 있어요. total_seconds를 늘리세요",
    ),
    "hidden_results_need_due": (
        "hidden_results: after_due needs a due date; add due, or write at_once",
        "hidden_results: after_due에는 마감이 있어야 해요. due를 넣거나 at_once로 쓰세요",
    ),
    "isolated_needs_python": (
        "tests in {language} cannot run isolated; write assurance: shared-kernel",
        "{language} 테스트는 분리해서 실행할 수 없어요. assurance: shared-kernel을 쓰세요",
    ),
    "board_predict_or_output": (
        "a board needs either predict (a function) or output (a file); write one of the two",
        "보드에는 predict(함수)나 output(파일) 가운데 하나가 있어야 해요. 하나만 쓰세요",
    ),
    "board_file_missing": (
        "the board needs '{path}'; add it",
        "보드에는 '{path}'가 있어야 해요. 넣으세요",
    ),
    "board_function_missing": (
        "'{function}' is missing, which the board needs; define it",
        "보드에 필요한 '{function}' 함수가 없어요. 만드세요",
    ),
    "python_syntax": (
        "this is not Python: {detail}; correct it",
        "파이썬으로 읽을 수 없어요({detail}). 고치세요",
    ),
    "baseline_twice": (
        "the baseline '{key}' stands here twice; rename one",
        "기준선 '{key}'이(가) 두 번 있어요. 하나의 이름을 바꾸세요",
    ),
    "board_ends_before_due": (
        "the board ends {board} days after the start, the lab is due after {due}; let the board end later",
        "보드는 시작 {board}일 뒤에 끝나는데 마감은 {due}일 뒤예요. 보드를 더 늦게 끝내세요",
    ),
    "ladder_needs_losses": (
        "a Ladder needs the losses of each row, which your own scorer does not give; write ladder: false",
        "래더에는 행마다의 손실이 필요한데 직접 만든 채점기는 주지 않아요. ladder: false로 쓰세요",
    ),
    "min_not_below_max": (
        "'min' has to be less than 'max'",
        "'min'은 'max'보다 작아야 해요",
    ),
    "bounds_without_models": (
        "'min' and 'max' are for kind: model and columns of kind: number; leave them out",
        "'min'과 'max'는 kind: model의 kind: number 열에만 써요. 빼세요",
    ),
}

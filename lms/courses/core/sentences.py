"""The sentences of the course checker: code -> (English, Korean)."""

from lms.courses.core.lab_sentences import LAB

_FOLDER = {
    "folder_missing": (
        "there is no such folder; check the path",
        "이런 폴더가 없어요. 경로를 확인하세요",
    ),
    "folder_name": (
        "the folder's name '{name}' becomes an address; use lower-case letters, digits, single hyphens",
        "폴더 이름 '{name}'이 강의 주소가 돼요. 영문 소문자, 숫자, 하이픈 하나씩만 쓰세요",
    ),
    "file_missing": (
        "'{path}' is missing; add it, or correct its name",
        "'{path}' 파일이 없어요. 파일을 넣거나 이름을 고치세요",
    ),
    "symlink": (
        "this is a symbolic link; put the file itself into the folder",
        "심볼릭 링크예요. 파일 자체를 폴더에 넣으세요",
    ),
    "not_a_file": (
        "this is neither a file nor a folder; remove it",
        "파일도 폴더도 아니에요. 지우세요",
    ),
    "file_name": (
        "this name cannot be used on every computer; use letters, digits, '.', '_' and '-'",
        "모든 컴퓨터에서 쓸 수 있는 이름이 아니에요. 글자, 숫자, '.', '_', '-'만 쓰세요",
    ),
    "file_too_large": (
        "the file has {size} bytes, {limit} are allowed; make it smaller",
        "파일이 {size}바이트인데 {limit}바이트까지예요. 크기를 줄이세요",
    ),
    "folder_too_large": (
        "the folder has more than {limit} bytes; take out what the course does not need",
        "폴더가 {limit}바이트를 넘어요. 강의에 필요 없는 것을 빼세요",
    ),
    "too_many_files": (
        "the folder has more than {limit} files; take out what the course does not need",
        "파일이 {limit}개를 넘어요. 강의에 필요 없는 것을 빼세요",
    ),
    "not_text": (
        "this is not text in UTF-8; save it again in UTF-8",
        "UTF-8 글이 아니에요. UTF-8로 다시 저장하세요",
    ),
}

_YAML = {
    "yaml_syntax": (
        "this cannot be read as YAML: {detail}; check indentation, colons and quotes",
        "YAML로 읽을 수 없어요({detail}). 들여쓰기, 쌍점, 따옴표를 확인하세요",
    ),
    "yaml_empty": (
        "the file is empty; write its keys",
        "파일이 비어 있어요. 필요한 키를 쓰세요",
    ),
    "yaml_too_deep": (
        "more than {limit} levels are nested; make it flatter",
        "{limit}단계보다 깊어요. 더 얕게 쓰세요",
    ),
    "yaml_alias": (
        "anchors and aliases (& and *) are not allowed; write the value out",
        "앵커와 별칭(&, *)은 쓸 수 없어요. 값을 그대로 쓰세요",
    ),
    "yaml_tag": (
        "the tag '{tag}' is not allowed; remove it",
        "'{tag}' 태그는 쓸 수 없어요. 지우세요",
    ),
    "yaml_duplicate_key": (
        "the key '{key}' stands here twice (first on line {first}); keep one",
        "'{key}' 키가 두 번 나와요(처음은 {first}번째 줄). 하나만 남기세요",
    ),
    "yaml_key_not_text": (
        "a key has to be a word; put it in quotes",
        "키는 단어여야 해요. 따옴표로 묶으세요",
    ),
    "yaml_truth_word": (
        "YAML reads '{text}' as yes or no; write true or false, or put the word in quotes",
        "YAML은 '{text}'을(를) 참/거짓으로 읽어요. true나 false로 쓰거나 따옴표로 묶으세요",
    ),
    "yaml_odd_number": (
        "YAML reads '{text}' as another number; put it in quotes or write it in plain digits",
        "YAML은 '{text}'을(를) 다른 수로 읽어요. 따옴표로 묶거나 보통 숫자로 쓰세요",
    ),
    "bad_character": (
        "there is a character here that cannot be stored; remove it",
        "저장할 수 없는 문자가 있어요. 지우세요",
    ),
}

_SHAPE = {
    "unknown_key": (
        "unknown key '{key}'; remove it, or see the reference for the keys allowed here",
        "모르는 키 '{key}'예요. 지우거나 쓸 수 있는 키를 참고서에서 확인하세요",
    ),
    "unknown_key_meant": (
        "unknown key '{key}'; did you mean '{meant}'?",
        "모르는 키 '{key}'예요. '{meant}'을(를) 쓰려던 건가요?",
    ),
    "missing_key": (
        "'{key}' is missing; add it",
        "'{key}'이(가) 없어요. 넣으세요",
    ),
    "want_text": (
        "'{key}' has to be text; put it in quotes",
        "'{key}'은(는) 글이어야 해요. 따옴표로 묶으세요",
    ),
    "want_whole_number": (
        "'{key}' has to be a whole number; write digits without quotes",
        "'{key}'은(는) 정수여야 해요. 따옴표 없이 숫자로 쓰세요",
    ),
    "want_number": (
        "'{key}' has to be a number; write digits without quotes",
        "'{key}'은(는) 수여야 해요. 따옴표 없이 숫자로 쓰세요",
    ),
    "want_truth": (
        "'{key}' has to be true or false; write one of the two without quotes",
        "'{key}'은(는) true나 false여야 해요. 따옴표 없이 쓰세요",
    ),
    "want_mapping": (
        "'{key}' has to hold keys with values; write them indented below it",
        "'{key}' 아래에는 '키: 값'이 와야 해요. 들여써서 적으세요",
    ),
    "want_list": (
        "'{key}' has to be a list; begin each line with '- '",
        "'{key}'은(는) 목록이어야 해요. 줄마다 '- '로 시작하세요",
    ),
    "want_one_of": (
        "'{key}' has to be one of {choices}",
        "'{key}'은(는) {choices} 가운데 하나여야 해요",
    ),
    "want_pattern": (
        "'{value}' does not fit here ('{key}'); {hint}",
        "'{value}'은(는) 여기('{key}')에 맞지 않아요. {hint_ko}",
    ),
    "too_small": (
        "'{key}' is too small; {limit} or more is allowed",
        "'{key}'이(가) 너무 작아요. {limit} 이상으로 쓰세요",
    ),
    "too_small_exclusive": (
        "'{key}' is too small; it has to be more than {limit}",
        "'{key}'이(가) 너무 작아요. {limit}보다 크게 쓰세요",
    ),
    "too_large": (
        "'{key}' is too large; {limit} or less is allowed",
        "'{key}'이(가) 너무 커요. {limit} 이하로 쓰세요",
    ),
    "too_large_exclusive": (
        "'{key}' is too large; it has to be less than {limit}",
        "'{key}'이(가) 너무 커요. {limit}보다 작게 쓰세요",
    ),
    "too_short": ("'{key}' is empty; write something", "'{key}'이(가) 비어 있어요. 내용을 쓰세요"),
    "too_long": (
        "'{key}' is too long; {limit} characters are allowed",
        "'{key}'이(가) 너무 길어요. {limit}자까지 쓸 수 있어요",
    ),
    "too_few": (
        "'{key}' needs at least {limit}; add one",
        "'{key}'에는 {limit}개 이상이 있어야 해요. 더하세요",
    ),
    "too_many": (
        "'{key}' has too many entries; {limit} are allowed",
        "'{key}'의 항목이 너무 많아요. {limit}개까지 쓸 수 있어요",
    ),
    "time_unreadable": (
        "this is not a time; write 2026-12-20T23:59+09:00, or after_days with at",
        "시각으로 읽을 수 없어요. 2026-12-20T23:59+09:00처럼 쓰거나 after_days와 at을 쓰세요",
    ),
    "time_naive": (
        "this time has no offset; write it as 2026-12-20T23:59+09:00",
        "시각에 시간대가 없어요. 2026-12-20T23:59+09:00처럼 쓰세요",
    ),
    "due_without_days": (
        "a relative due date needs after_days; add it",
        "상대 마감에는 after_days가 있어야 해요. 넣으세요",
    ),
    "wrong_value": (
        "the value of '{key}' does not fit here; see the reference for course files",
        "'{key}'의 값이 여기에 맞지 않아요. 강의 파일 참고서를 확인하세요",
    ),
}

_COURSE = {
    "language_twice": (
        "the language '{language}' is listed twice; keep one",
        "'{language}'가 두 번 있어요. 하나만 남기세요",
    ),
    "translation_missing": (
        "the text in '{language}' is missing; add it, since the course is given in {languages}",
        "'{language}' 글이 없어요. {languages}(으)로 여는 강의이니 넣으세요",
    ),
    "same_organisation": (
        "a joint course needs two organisations; name a university and another company",
        "공동 강의에는 기관이 둘 있어야 해요. 대학과 기업을 따로 적으세요",
    ),
    "module_twice": (
        "the module '{slug}' stands here twice; rename one",
        "모듈 '{slug}'이(가) 두 번 있어요. 하나의 이름을 바꾸세요",
    ),
    "item_kind": (
        "an item is either a lesson or a lab; write one of the two",
        "항목은 lesson이나 lab 가운데 하나예요. 하나만 쓰세요",
    ),
    "item_twice": (
        "'{slug}' is listed twice; keep one",
        "'{slug}'이(가) 두 번 나와요. 하나만 남기세요",
    ),
    "lesson_missing": (
        "there is no lesson 'lessons/{slug}.md' or '.ipynb'; add the file, or correct the name{meant}",
        "'lessons/{slug}.md'나 '.ipynb'가 없어요. 파일을 넣거나 이름을 고치세요{meant_ko}",
    ),
    "lesson_two_formats": (
        "the lesson is there both as .md and as .ipynb; keep one",
        "같은 레슨이 .md와 .ipynb로 다 있어요. 하나만 남기세요",
    ),
    "lesson_not_listed": (
        "no module lists this lesson, so nobody sees it; list it in course.yml, or remove it",
        "어느 모듈에도 없어서 보이지 않는 레슨이에요. course.yml에 넣거나 지우세요",
    ),
    "lab_not_listed": (
        "no module lists this lab, so nobody sees it; list it in course.yml, or remove it",
        "어느 모듈에도 없어서 보이지 않는 실습이에요. course.yml에 넣거나 지우세요",
    ),
    "lab_missing": (
        "there is no folder 'labs/{slug}'; add it, or correct the name{meant}",
        "'labs/{slug}' 폴더가 없어요. 폴더를 넣거나 이름을 고치세요{meant_ko}",
    ),
    "twin_missing": (
        "the lesson has no '{language}' version; add '{path}', or readers get it in '{first}'",
        "'{language}' 판이 없어요. '{path}'를 넣지 않으면 '{first}' 글이 보여요",
    ),
    "certificate_lab_unknown": (
        "the certificate needs the lab '{slug}', which the course does not have; correct it{meant}",
        "인증서에 필요한 실습 '{slug}'이(가) 강의에 없어요. 고치세요{meant_ko}",
    ),
    "certificate_lab_twice": (
        "the lab '{slug}' is required twice; keep one",
        "실습 '{slug}'이(가) 두 번 있어요. 하나만 남기세요",
    ),
    "certificate_impossible": (
        "the certificate needs {minimum} points and all labs give {maximum}; lower minimum_points",
        "인증서에 {minimum}점이 필요한데 실습은 모두 {maximum}점이에요. minimum_points를 낮추세요",
    ),
    "certificate_lab_worthless": (
        "the required lab '{slug}' gives no points; give its checks points, or do not require it",
        "필수 실습 '{slug}'에 점수가 없어요. 검사에 점수를 주거나 필수에서 빼세요",
    ),
}

_LESSON = {
    "title_missing": (
        "the lesson has no title; write 'title:' in its front matter, or begin with '# Title'",
        "레슨에 제목이 없어요. 머리말에 'title:'을 쓰거나 '# 제목'으로 시작하세요",
    ),
    "front_matter_open": (
        "the front matter has no end; close it with a line '---'",
        "머리말이 끝나지 않았어요. '---' 줄로 닫으세요",
    ),
    "link_missing": (
        "the link leads to '{path}', which is not there; correct it",
        "링크가 가리키는 '{path}'이(가) 없어요. 고치세요",
    ),
    "link_outside": (
        "'{path}' leaves the course folder; link to something within it",
        "'{path}'은(는) 강의 폴더 밖이에요. 안에 있는 것을 가리키세요",
    ),
    "link_not_shown": (
        "students cannot open '{path}'; link to a lesson, a lab or a file in assets/",
        "학생이 '{path}'을(를) 열 수 없어요. 레슨, 실습, assets/ 안의 파일을 가리키세요",
    ),
    "link_scheme": (
        "'{path}' is not allowed as a link; use https, mailto or a path in the course",
        "'{path}'은(는) 쓸 수 없는 링크예요. https, mailto, 강의 안 경로를 쓰세요",
    ),
    "image_outside": (
        "the image '{path}' is not in the course; put it into assets/ and link it from there",
        "그림 '{path}'이(가) 강의 안에 없어요. assets/에 넣고 그것을 가리키세요",
    ),
    "image_without_words": (
        "the image has no description; write what it shows between the brackets",
        "그림 설명이 없어요. 대괄호 안에 무엇을 보여 주는지 쓰세요",
    ),
    "maths": (
        "the formula cannot be read ({detail}); check its braces and commands",
        "수식을 읽을 수 없어요({detail}). 괄호와 명령을 확인하세요",
    ),
}

_NOTEBOOK = {
    "notebook_json": (
        "this is not a notebook: {detail}; save it again in Jupyter",
        "노트북이 아니에요({detail}). Jupyter에서 다시 저장하세요",
    ),
    "notebook_format": (
        "notebook format {found} is not supported; save it as format 4 in a current Jupyter",
        "노트북 형식 {found}은(는) 쓸 수 없어요. 새 Jupyter에서 형식 4로 저장하세요",
    ),
    "notebook_not_source": (
        "no cell is graded, so this is no nbgrader source; set grade ids and points in 'Create assignment'",
        "채점하는 셀이 없어서 nbgrader 원본이 아니에요. 'Create assignment'에서 grade id와 점수를 넣으세요",
    ),
    "notebook_no_kernel": (
        "the notebook names no kernel; choose one in Jupyter and save",
        "노트북에 커널이 없어요. Jupyter에서 골라 저장하세요",
    ),
    "notebook_outputs": (
        "{count} cells carry outputs, which may hold the answer; clear all outputs",
        "셀 {count}개에 출력이 남아 있어요. 답이 보일 수 있으니 출력을 모두 지우세요",
    ),
    "schema_version": (
        "cell '{cell}' uses nbgrader schema {found}, 3 is needed; run 'nbgrader update' on the notebook",
        "셀 '{cell}'의 nbgrader 스키마가 {found}이에요(3이어야 해요). 'nbgrader update'를 실행하세요",
    ),
    "grade_id_missing": (
        "cell {number} carries nbgrader settings without a grade id; give it one",
        "셀 {number}에 nbgrader 설정은 있는데 grade id가 없어요. 이름을 주세요",
    ),
    "grade_id_pattern": (
        "the grade id '{cell}' may hold letters, digits, '_' and '-' only; rename it",
        "grade id '{cell}'에는 영문, 숫자, '_', '-'만 쓸 수 있어요. 이름을 바꾸세요",
    ),
    "grade_id_twice": (
        "the grade id '{cell}' stands in cells {first} and {second}; rename one",
        "grade id '{cell}'이(가) 셀 {first}과(와) {second}에 있어요. 하나의 이름을 바꾸세요",
    ),
    "cell_settings": (
        "cell '{cell}' has no yes-or-no value for '{key}'; set the cell again in 'Create assignment'",
        "셀 '{cell}'의 '{key}' 값이 참/거짓이 아니에요. 'Create assignment'에서 다시 정하세요",
    ),
    "points": (
        "cell '{cell}' needs points of 0 or more, it has {found}; set them",
        "셀 '{cell}'의 점수는 0 이상이어야 하는데 {found}이에요. 다시 정하세요",
    ),
    "markdown_test": (
        "cell '{cell}' is text and cannot be graded by tests; make it a manually graded answer, or code",
        "셀 '{cell}'은(는) 글이라 검사로 채점할 수 없어요. 수동 채점 답이나 코드로 바꾸세요",
    ),
    "task_not_markdown": (
        "cell '{cell}' is a task and has to be text; change its type",
        "셀 '{cell}'은(는) 과제라서 글이어야 해요. 종류를 바꾸세요",
    ),
    "region_open": (
        "'{marker}' has no '{end}' in cell {number}; add it",
        "셀 {number}의 '{marker}'에 '{end}'가 없어요. 넣으세요",
    ),
    "region_close": (
        "'{end}' has no '{marker}' before it in cell {number}; add it, or remove the line",
        "셀 {number}의 '{end}' 앞에 '{marker}'가 없어요. 넣거나 줄을 지우세요",
    ),
    "region_place": (
        "'{marker}' stands in cell {number}, which is not a {wanted} cell; move it, or change the cell",
        "셀 {number}은(는) {wanted_ko} 셀이 아닌데 '{marker}'가 있어요. 옮기거나 셀을 바꾸세요",
    ),
    "solution_missing": (
        "answer cell '{cell}' has no '### BEGIN SOLUTION', so all of it is replaced; mark the solution",
        "답 셀 '{cell}'에 '### BEGIN SOLUTION'이 없어서 셀 전체가 바뀌어요. 풀이를 표시하세요",
    ),
}

SENTENCES: dict[str, tuple[str, str]] = {
    **_FOLDER,
    **_YAML,
    **_SHAPE,
    **_COURSE,
    **_LESSON,
    **_NOTEBOOK,
    **LAB,
}
